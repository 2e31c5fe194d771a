/** The signals that POSIX numbers, as `kill -l` knows them. */
const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** The exit status that a shell reports after a death by this signal. */
export function statusOfSignal(signal: string): number {
  return 128 + (numbers[signal] ?? 0);
}
