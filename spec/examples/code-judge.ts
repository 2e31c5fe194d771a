/**
 * A judge of programs that nobody trusts: each test case runs in a sandbox of its own, made ahead by a pool, with bounds on
 * time, memory and output; the verdict is that of the first case that is not passed.
 */
import { filter, map, takeWhile, type Observable } from 'rxjs';
import {
  OutputLimitError,
  runAll,
  SandboxPool,
  SandboxTimeoutError,
  type CommandInput,
  type CommandOutcome,
  type SandboxClient,
} from 'sandbox-rx';

export interface TestCase {
  readonly input: string;
  readonly expected: string;
}

export type Verdict =
  'passed' | 'wrong answer' | 'too slow' | 'too much output' | 'crashed' | 'not judged';

export interface Judgement {
  readonly testCase: number;
  readonly verdict: Verdict;
}

/** Sandboxes for one program each, a few of them ready. */
export function judgePool(client: SandboxClient): SandboxPool {
  return new SandboxPool(client, { min: 2, max: 4, maxLeases: 1 });
}

/** The judgement of each case, in order, to the first that is not passed. */
export function judge(
  pool: SandboxPool,
  program: readonly string[],
  cases: readonly TestCase[],
): Observable<Judgement> {
  const commands = cases.map(({ input }): CommandInput => {
    return { command: program, options: { stdin: input } };
  });
  return runAll(commands, {
    pool,
    concurrency: 2,
    ordered: true,
    timeoutMs: 2000,
    killGraceMs: 0,
    retainBytes: 65_536,
    overflow: 'fail',
  }).pipe(
    filter((event) => event.type === 'finished' || event.type === 'failed'),
    map((outcome) => {
      const { index } = outcome;
      return { testCase: index, verdict: verdictOf(outcome, cases[index]?.expected) };
    }),
    takeWhile(({ verdict }) => verdict === 'passed', true),
  );
}

function verdictOf(outcome: CommandOutcome, expected: string | undefined): Verdict {
  if (outcome.type === 'failed') {
    if (outcome.error instanceof SandboxTimeoutError) return 'too slow';
    return outcome.error instanceof OutputLimitError ? 'too much output' : 'not judged';
  }
  const { returncode, stdout } = outcome.result;
  if (returncode !== 0) return 'crashed';
  return stdout.trimEnd() === expected?.trimEnd() ? 'passed' : 'wrong answer';
}
