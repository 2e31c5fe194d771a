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
