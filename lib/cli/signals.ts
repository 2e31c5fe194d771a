import { constants } from 'node:os';

const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** One that comes sooner after the first is no other: `npx` passes signals on, and a shell those of a closed terminal. */
const echoMs = 200;

/** What takes longer to stop waits for a server. */
const patienceMs = 3000;

/**
 * Does some work and ends this program with the status that it gives. A signal asks the work to stop, and ends this
 * program when it has, by the same signal, so that a shell sees what happened. A second one ends it at once, with the
 * status that the shell would give it.
 */
export async function endWith(work: (stop: AbortSignal) => Promise<number>): Promise<never> {
  const stopping = new AbortController();
  let killedBy: NodeJS.Signals | undefined;
  let echoesUntil = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (killedBy === undefined) {
      killedBy = signal;
      echoesUntil = Date.now() + echoMs;
      stopping.abort();
      setTimeout(tellOfWait, patienceMs).unref();
    } else if (Date.now() > echoesUntil) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  for (const signal of fatalSignals) process.on(signal, onSignal);
  const status = await work(stopping.signal);
  for (const signal of fatalSignals) process.off(signal, onSignal);
  if (killedBy !== undefined) process.kill(process.pid, killedBy);
  process.exit(status);
}

function tellOfWait(): void {
  console.error('sandbox-rx: what goes on is being ended; another signal does not wait for it');
}
