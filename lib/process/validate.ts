import { SandboxValidationError } from './errors/errors.js';

/** The longest delay a timer can hold: beyond it, `setTimeout` fires at once. */
export const maxTimerMs = 2_147_483_647;

/** Says what an argument must be, and what it was instead. */
export function refuse(name: string, expected: string, actual: unknown): never {
  throw new SandboxValidationError(`${name} must be ${expected}; got ${show(actual)}`);
}

function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

/** Whole numbers within a range; `undefined` passes. */
export function checkInteger(
  name: string,
  value: unknown,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): void {
  if (value !== undefined) requireInteger(name, value, { min, max });
}

/** The same, where it must be given. */
export function requireInteger(
  name: string,
  value: unknown,
  { min, max }: { readonly min: number; readonly max: number },
): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    refuse(name, `a whole number from ${min} to ${max}`, value);
  }
}

/** A string that can be an argument of `execve(2)`: it holds no NUL. `undefined` passes. */
export function checkText(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== 'string') refuse(name, 'a string', value);
  if (value.includes('\0')) refuse(name, 'a string without NUL characters', value);
}

/** The same, where it must be given. */
export function requireText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') refuse(name, 'a string', value);
  checkText(name, value);
}

/** `true` or `false`; `undefined` passes. */
export function checkBoolean(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') refuse(name, 'true or false', value);
}

/** One of a few words; `undefined` passes. */
export function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
  if (value === undefined || (typeof value === 'string' && words.includes(value))) return;
  refuse(name, words.map((word) => `'${word}'`).join(' or '), value);
}

/** A function; `undefined` passes. */
export function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') refuse(name, 'a function', value);
}

/** The same, where it must be given. */
export function requireFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') refuse(name, 'a function', value);
}

/** An object with string values and names fit for an environment; `undefined` passes. */
export function checkEnv(name: string, value: unknown): void {
  if (value === undefined) return;
  checkRecord(name, value);
  for (const [key, text] of Object.entries(value)) {
    if (key === '' || key.includes('=') || key.includes('\0')) {
      refuse(`the names in ${name}`, "non-empty, without '=' and NUL", key);
    }
    requireText(`${name}.${key}`, text);
  }
}

/** A plain object. */
export function checkRecord(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(name, 'an object', value);
}

/** An AbortSignal, of this realm or another; `undefined` passes. */
export function checkSignal(name: string, value: unknown): void {
  if (value === undefined) return;
  if (
    typeof value !== 'object' ||
    value === null ||
    !('aborted' in value && 'addEventListener' in value)
  ) {
    refuse(name, 'an AbortSignal', value);
  }
}

/** A scheduler of RxJS; `undefined` passes. */
export function checkScheduler(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null || !('now' in value && 'schedule' in value)) {
    refuse(name, 'a scheduler, such as asyncScheduler', value);
  }
}

/** The argv of a run: not empty, strings only, no NUL. */
export function checkCommand(command: unknown): asserts command is readonly string[] {
  if (!Array.isArray(command)) {
    refuse('command', "an array of strings, such as ['sh', '-c', 'echo hi']", command);
  }
  if (command.length === 0) refuse('command', 'an array that names a program first', command);
  for (const [index, word] of command.entries()) requireText(`command[${index}]`, word);
  if (command[0] === '') refuse('command[0]', 'the name of a program', '');
}

/** The name of a POSIX signal; `undefined` passes. */
export function checkSignalName(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== 'string' || !/^SIG[A-Z0-9+-]+$/.test(value)) {
    refuse(name, "a signal's name, such as 'SIGTERM'", value);
  }
}
