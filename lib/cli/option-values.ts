import { InvalidArgumentError } from 'commander';
import { maxTimerMs } from '../process/validate.js';

type Env = Readonly<Record<string, string>>;

/** Reads `NAME=VALUE`, or `NAME` for the value that is set here. */
export function addEnv(text: string, env: Env): Env {
  const at = text.indexOf('=');
  if (at === 0) throw new InvalidArgumentError('A variable needs a name.');
  if (at > 0) return { ...env, [text.slice(0, at)]: text.slice(at + 1) };
  const inherited = process.env[text];
  return inherited === undefined ? env : { ...env, [text]: inherited };
}

/** For an option that may be given several times. */
export function addWord(text: string, words: readonly string[]): readonly string[] {
  return [...words, text];
}

const unitsMs: Readonly<Record<string, number | undefined>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Reads `500ms`, `30s`, `5m`, `1h` and plain seconds; gives milliseconds. */
export function duration(text: string): number {
  const [, number = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const milliseconds = Math.ceil(Number(number) * (unitsMs[unit] ?? 0));
  if (number === '' || milliseconds < 1 || milliseconds > maxTimerMs) {
    throw new InvalidArgumentError('It is a number with ms, s, m or h behind it, up to 24 days.');
  }
  return milliseconds;
}

/** Reads an instant, such as `2026-01-31T12:00:00Z`, or a duration, which ends now; gives milliseconds since 1970. */
export function instant(text: string): number {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return Date.now() - duration(text);
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('It is no time, such as 2026-01-31T12:00:00Z.');
  return ms;
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}
