import type { FixturePrograms } from './contract-subject.js';

function script(text: string): readonly string[] {
  return ['sh', '-c', text];
}

const httpServer = String.raw`
use IO::Socket::INET;
my $server = IO::Socket::INET->new(
  LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 8, ReuseAddr => 1) or die "$@";
$| = 1; print "ready\n";
while (my $visitor = $server->accept) {
  while (<$visitor>) { last if /^\r?$/ }
  print $visitor join("\r\n", 'HTTP/1.1 200 OK', 'Access-Control-Allow-Origin: *', 'Content-Length: 7',
    'Connection: close', '', "served\n");
  close $visitor;
}`;

/** The fixture programs as lines of shell (and of Perl), for every backend whose sandboxes are POSIX systems. */
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
  serve: ['perl', '-e', httpServer],
  absent: ['there-is-no-such-program'],
  notExecutable: ['/etc/passwd'],
};
