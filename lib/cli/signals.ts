const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does some work and ends this program with the status that it gives. A signal asks the work to stop, and ends this
 * program when it has, by the same signal, so that a shell sees what happened.
 */
export async function endWith(work: (stop: AbortSignal) => Promise<number>): Promise<never> {
  const stopping = new AbortController();
  let killedBy: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    killedBy ??= signal;
    stopping.abort();
  };
  for (const signal of fatalSignals) process.on(signal, onSignal);
  const status = await work(stopping.signal);
  for (const signal of fatalSignals) process.off(signal, onSignal);
  if (killedBy !== undefined) process.kill(process.pid, killedBy);
  process.exit(status);
}
