import { concatMap, map, type OperatorFunction } from 'rxjs';
import { lines } from 'sandbox-rx';
import { delay, exit, out, type Program, type ProgramStep } from 'sandbox-rx/testing';

/** A program that answers each line of its input with what `answer` says. */
export function answering(answer: (line: string) => readonly ProgramStep[]): Program {
  return ({ stdin$ }) => stdin$.pipe(lines(), concatMap(answer));
}

/** Answers each line in capitals. */
export const upper: Program = answering((line) => [out(`${line.toUpperCase()}\n`)]);

/** The same, after 10 ms each. */
export const slow: Program = answering((line) => [delay(10), out(`${line.toUpperCase()}\n`)]);

/** Dies of the line `!`. */
export const fragile: Program = answering((line) =>
  line === '!' ? [exit(3)] : [out(`${line.toUpperCase()}\n`)],
);

/** What a subscriber gets when each value is turned to text. */
export function texts(): OperatorFunction<Uint8Array, string> {
  return map((data) => new TextDecoder().decode(data));
}

/** Pulled one by one, and says when it was let go. */
export function pulledFrom<T>(values: Iterable<T>): {
  source: Iterable<T>;
  pulls: () => number;
  isClosed: () => boolean;
} {
  let [pulls, isClosed] = [0, false];
  function* source(): Generator<T> {
    try {
      for (const value of values) {
        pulls++;
        yield value;
      }
    } finally {
      isClosed = true;
    }
  }
  return { source: source(), pulls: () => pulls, isClosed: () => isClosed };
}
