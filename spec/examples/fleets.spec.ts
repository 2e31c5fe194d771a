import { describe, expect, it } from '@jest/globals';
import { lastValueFrom, toArray } from 'rxjs';
import { SandboxClient } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { isolationForTests } from '../support/isolation.js';
import { judge, judgePool, type Verdict } from './code-judge.js';
import { testRun } from './test-runner.js';

const client = new SandboxClient(localBackend({ isolation: isolationForTests() }));

describe('the code judge', () => {
  const cases = [
    { input: '1 2\n', expected: '3' },
    { input: '20 22\n', expected: '42' },
    { input: '0 0\n', expected: '0' },
  ];

  it.each<[string, string, Verdict[]]>([
    ['is right', 'read a b; echo $((a + b))', ['passed', 'passed', 'passed']],
    ['is wrong', 'read a b; echo $((a + 2))', ['passed', 'wrong answer']],
    ['crashes', 'read a b; [ $a = 1 ] && echo 3 || kill -9 $$', ['passed', 'crashed']],
    ['never ends', 'read a b; [ $a = 1 ] && echo 3 || while :; do :; done', ['passed', 'too slow']],
    ['writes without end', 'yes', ['too much output']],
  ])('judges a program that %s', async (_what, script, verdicts) => {
    await using pool = judgePool(client);
    const judged$ = judge(pool, ['sh', '-c', script], cases).pipe(toArray());
    expect((await lastValueFrom(judged$)).map(({ verdict }) => verdict)).toEqual(verdicts);
  });
});

describe('the test runner', () => {
  const command = ['sh', '-c', 'for file in "$@"; do sh "$file" || exit 1; done', 'run'];
  const names = Array.from({ length: 6 }, (_, n) => `test-${n}.sh`);

  it('says when all shards have passed', async () => {
    const files = Object.fromEntries(names.map((name) => [name, 'exit 0\n']));
    const lines = await lastValueFrom(
      testRun({ client, files, command, shards: 3 }).pipe(toArray()),
    );
    expect(lines.filter((line) => line.includes('passed'))).toHaveLength(3);
    expect(lines.at(-1)).toContain('3 of 3 shards, 0.0 s to go');
  });

  it('stops everything with the first failure, and says what it said', async () => {
    const files = {
      ...Object.fromEntries(names.map((name) => [name, 'sleep 60\n'])),
      'test-1.sh': 'echo "1 is not 2" >&2; exit 1\n',
    };
    const lines = await lastValueFrom(
      testRun({ client, files, command, shards: 3 }).pipe(toArray()),
    );
    expect(lines.at(-1)).toBe('FAILED\n1 is not 2\n');
    expect(lines.some((line) => line.includes('passed'))).toBe(false);
  });
});
