import type { Writable } from 'node:stream';
import { Subscription, type Observable } from 'rxjs';
import type { StdinWrite } from '../../process/stdin.js';

/** What a terminal takes for the end of its input, at the start of a line; elsewhere it hands over the line so far. */
const endOfTransmission = '\x04';
/** From one end of transmission to the next: one that comes before a program has set its terminal up is lost. */
const repeatMs = 100;

const newline = 0x0a;

/** Writes to a process as `stdin$` emits. Unsubscribing stops that, and leaves the pipe as it is. */
export function connectStdin(
  stdin: Writable,
  stdin$: Observable<StdinWrite>,
  tty: boolean,
): Subscription {
  const subscription = new Subscription();
  let last: number | undefined;
  // A process may close its input, or end, before it has read everything: what is left is dropped, as in a shell.
  stdin.on('error', ignore);
  subscription.add(
    stdin$.subscribe({
      next: (write) => {
        last = write.data.at(-1) ?? last;
        stdin.write(write.data, (error) => {
          // Nobody reads any more, so nothing more is asked for: an endless source would otherwise never let go.
          if (error) subscription.unsubscribe();
          else write.accepted();
        });
      },
      error: () => {
        stdin.destroy();
      },
      complete: () => {
        if (tty) subscription.add(endTerminal(stdin, last));
        else stdin.end();
      },
    }),
  );
  return subscription;
}

/** Tells a terminal that its input is over, until the process has heard it. */
function endTerminal(stdin: Writable, last: number | undefined): () => void {
  if (last !== undefined && last !== newline) stdin.write(endOfTransmission);
  stdin.write(endOfTransmission);
  const repeating = setInterval(() => {
    stdin.write(endOfTransmission);
  }, repeatMs);
  return () => {
    clearInterval(repeating);
  };
}

function ignore(): void {
  // Said where it is used.
}
