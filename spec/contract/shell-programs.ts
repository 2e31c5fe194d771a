import type { FixturePrograms } from './contract-subject.js';

function script(text: string): readonly string[] {
  return ['sh', '-c', text];
}

/** The fixture programs as lines of shell, for every backend whose sandboxes are POSIX systems. */
export const shellPrograms: FixturePrograms = {
  cat: ['cat'],
  exit3: script('exit 3'),
  selfKill: script('kill -KILL $$'),
  echoBoth: script('echo out; echo err >&2'),
  mixed: script('for n in 1 2 3; do echo o$n; echo e$n >&2; done'),
  count: ['seq', '1', '100000'],
  flood: ['seq', '1', '999999999'],
  late: script('echo early; sleep 0.1; echo late'),
  sleep: ['sleep', '60'],
  ignoreTerm: script('trap "" TERM; echo ready; while :; do sleep 1; done'),
  reportTerm: script('trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.02; done'),
  heldOutput: script('sleep 60 & echo hi'),
  lateChild: script('(for n in 1 2 3 4 5 6 7 8; do sleep 0.4; echo $n; done) & exit 0'),
  greeting: script('echo "$GREETING"'),
  pwd: ['pwd'],
  takeLine: script('read -r line; echo "$line"'),
  terminal: script('trap "stty size" WINCH; stty size; while :; do sleep 0.02; done'),
  absent: ['there-is-no-such-program'],
  notExecutable: ['/etc/passwd'],
};
