import { from, map, Observable, type ObservableInput, type Subscriber } from 'rxjs';
import { Breather } from './breather.js';
import { SandboxValidationError } from './errors/errors.js';
import { isInput, pullerOf, type Puller } from './puller.js';

/** A piece of standard input on its way to a process. */
export interface StdinWrite {
  readonly data: Uint8Array;
  /** Called once by the backend when it has room for more and is done with `data`, which may change from then on. */
  accepted(): void;
}

/** What can be written to a process: text is encoded as UTF-8. */
export type StdinData = string | Uint8Array;

/**
 * Where standard input comes from: the whole of it, or a source that is written as it emits. Iterables and Web
 * streams are read only as fast as the process accepts; an Observable cannot be slowed down, and is queued.
 */
export type StdinSource = StdinData | ObservableInput<StdinData> | ReadableStream<StdinData>;

const encoder = new TextEncoder();

/** Text as UTF-8, bytes as they are. */
export function encodeStdin(data: unknown): Uint8Array {
  if (typeof data === 'string') return encoder.encode(data);
  if (data instanceof Uint8Array) return data;
  throw new SandboxValidationError(`stdin must be strings or Uint8Arrays; got ${typeof data}`);
}

/** Whether this can be given as `stdin`. */
export function isStdinSource(source: unknown): source is StdinSource {
  return typeof source === 'string' || isInput(source);
}

/** Standard input as a backend takes it: complete is EOF. */
export function stdinFrom(source: StdinSource): Observable<StdinWrite> {
  if (typeof source === 'string' || source instanceof Uint8Array) return stdinFrom([source]);
  const open = pullerOf(source);
  if (open !== undefined) return pulled(open);
  return from(source).pipe(map((data) => ({ data: encodeStdin(data), accepted: ignore })));
}

function ignore(): void {
  // An Observable cannot be told that there is room.
}

/** Asks for the next piece when the last one was accepted. */
function pulled(open: () => Puller<StdinData>): Observable<StdinWrite> {
  return new Observable((subscriber: Subscriber<StdinWrite>) => {
    const puller = open();
    const breather = new Breather();
    let over = false;
    const pull = (): void => {
      if (over) return;
      puller.next().then(
        ({ done, value }) => {
          if (over) return;
          over = done === true;
          if (over) subscriber.complete();
          else push(value);
        },
        (error: unknown) => {
          if (over) return;
          over = true;
          subscriber.error(error);
        },
      );
    };
    const accepted = (): void => {
      if (!over) breather.take(pull);
    };
    const push = (value: unknown): void => {
      try {
        subscriber.next({ data: encodeStdin(value), accepted });
      } catch (error) {
        subscriber.error(error);
      }
    };
    pull();
    return () => {
      breather.stop();
      if (!over) puller.stop();
      over = true;
    };
  });
}
