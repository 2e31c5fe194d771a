import {
  concat,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  of,
  scan,
  startWith,
  take,
} from 'rxjs';
import { SandboxExecutionError } from 'sandbox-rx';
import { delay, err, exit, out, type Program, type ProgramStep } from 'sandbox-rx/testing';
import type { FixturePrograms } from '../../contract/contract-subject.js';

/** The numbers up to `last`, a thousand lines a step. */
function* numbers(last: number): Iterable<ProgramStep> {
  for (let from = 1; from <= last; from += 1000) {
    yield out(Array.from({ length: 1000 }, (_, index) => `${from + index}\n`).join(''));
  }
}

/** The fixture programs as scripts. */
export const memoryPrograms: Readonly<Record<Exclude<keyof FixturePrograms, 'absent'>, Program>> = {
  cat: ({ stdin$ }) => stdin$.pipe(map(out)),
  exit3: [exit(3)],
  selfKill: [exit(137, 'SIGKILL')],
  echoBoth: [out('out\n'), err('err\n')],
  mixed: [1, 2, 3].flatMap((n) => [out(`o${n}\n`), err(`e${n}\n`)]),
  count: () => numbers(100_000),
  flood: () => numbers(Infinity),
  late: [out('early\n'), delay(100), out('late\n')],
  sleep: () => NEVER,
  ignoreTerm: ({ signal$ }) => merge(of(out('ready\n')), signal$.pipe(ignoreElements())),
  reportTerm: ({ signal$ }) => {
    const bye$ = signal$.pipe(
      take(1),
      mergeMap(() => [out('bye\n'), exit(5)]),
    );
    return concat(of(out('ready\n')), bye$);
  },
  heldOutput: [out('hi\n'), { type: 'exit', returncode: 0, outputHeld: true }],
  lateChild: Array.from({ length: 8 }, (_, index) => [delay(400), out(`${index + 1}\n`)]).flat(),
  greeting: ({ env }) => [out(`${env['GREETING'] ?? ''}\n`)],
  pwd: ({ cwd }) => {
    if (cwd === '/absent') throw new SandboxExecutionError('bad_cwd', 'no such directory');
    return [out(`${cwd}\n`)];
  },
  takeLine: ({ stdin$ }) =>
    stdin$.pipe(
      scan((text, data) => text + new TextDecoder().decode(data), ''),
      filter((text) => text.includes('\n')),
      take(1),
      mergeMap((text) => [out(text.slice(0, text.indexOf('\n') + 1)), exit(0)]),
    ),
  terminal: ({ tty, size$ }) =>
    size$.pipe(
      startWith(tty),
      map((size) => out(`${size?.rows ?? 0} ${size?.cols ?? 0}\r\n`)),
    ),
  serve: () => NEVER,
  notExecutable: () => {
    throw new SandboxExecutionError('not_executable', 'not executable');
  },
};

/** In memory, a program is reached by its name. */
export const memoryCommands: FixturePrograms = Object.fromEntries(
  [...Object.keys(memoryPrograms), 'absent'].map((name) => [name, [name]]),
) as Record<keyof FixturePrograms, [string]>;
