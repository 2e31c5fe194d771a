import { Observable, type Subscriber } from 'rxjs';
import type { OutputStream, ProcessControls, ProcessEvent } from 'sandbox-rx';

/** A piece of output that a run is going to write. */
export interface Write {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
}

/** A run that writes as fast as it is let: synchronously until it is paused, and on as soon as it may. */
export class PausedSource {
  readonly controls: ProcessControls = {
    pause: (paused) => {
      this.#paused = paused;
      this.#go();
    },
  };
  readonly source: Observable<ProcessEvent>;
  readonly #writes: readonly Write[];
  readonly #offsets: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  #subscriber: Subscriber<ProcessEvent> | undefined;
  #next = 0;
  #paused = false;
  #going = false;

  constructor(writes: readonly Write[]) {
    this.#writes = writes;
    this.source = new Observable((subscriber) => {
      this.#subscriber = subscriber;
      this.#go();
    });
  }

  /** How many bytes of a stream have been written so far. */
  written(stream: OutputStream): number {
    return this.#offsets[stream];
  }

  #go(): void {
    const subscriber = this.#subscriber;
    if (subscriber === undefined || this.#going) return;
    this.#going = true;
    while (!this.#paused && !subscriber.closed) {
      const write = this.#writes[this.#next++];
      if (write === undefined) {
        subscriber.next({ type: 'exit', returncode: 0 });
        subscriber.complete();
        break;
      }
      const offset = this.#offsets[write.stream];
      this.#offsets[write.stream] += write.data.length;
      subscriber.next({ type: write.stream, data: write.data, offset });
    }
    this.#going = false;
  }
}
