import type { Writable } from 'node:stream';
import type { Observable, Subscription } from 'rxjs';
import type { StdinWrite } from '../../process/stdin.js';

/** What a terminal takes for the end of its input. */
const endOfTransmission = '\x04';

/** Writes to a process as `stdin$` emits. Unsubscribing stops that, and leaves the pipe as it is. */
export function connectStdin(
  stdin: Writable,
  stdin$: Observable<StdinWrite>,
  tty: boolean,
): Subscription {
  // A process may close its input, or end, before it has read everything: what is left is dropped, as in a shell.
  stdin.on('error', ignore);
  return stdin$.subscribe({
    next: (write) => {
      stdin.write(write.data, () => {
        write.accepted();
      });
    },
    error: () => {
      stdin.destroy();
    },
    complete: () => {
      if (tty) stdin.write(endOfTransmission);
      else stdin.end();
    },
  });
}

function ignore(): void {
  // Said where it is used.
}
