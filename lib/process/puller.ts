import { isObservable, type ObservableInput, type ReadableStreamLike } from 'rxjs';
import { interop } from './interop.js';
import { refuse } from './validate.js';

/** A source that gives one piece each time it is asked. */
export interface Puller<T> {
  next(): PromiseLike<
    | { readonly done?: false | undefined; readonly value: T }
    | { readonly done: true; readonly value?: unknown }
  >;
  stop(): void;
}

/** Whether it gives values, by whatever protocol. Text is one value. */
export function isInput(
  source: unknown,
): source is ObservableInput<unknown> | ReadableStream<unknown> {
  if (isObservable(source)) return true;
  if (typeof source !== 'object' || source === null) return false;
  return (
    'getReader' in source ||
    'then' in source ||
    Symbol.iterator in source ||
    Symbol.asyncIterator in source ||
    interop in source
  );
}

/** How to pull from what has to be something that waits. @throws SandboxValidationError where it is not */
export function requirePuller<T>(
  source: Iterable<T> | AsyncIterable<T> | ReadableStream<T>,
): () => Puller<T> {
  const open = isInput(source) ? pullerOf<T>(source) : undefined;
  return open ?? refuse('source', 'an iterable or a Web stream', source);
}

/** How to pull from an iterable or a Web stream; `undefined` for what pushes: an Observable or a Promise. */
export function pullerOf<T>(
  source: ObservableInput<T> | ReadableStream<T>,
): (() => Puller<T>) | undefined {
  if ('getReader' in source) return () => streamPuller(source);
  if (Symbol.asyncIterator in source) return () => asyncIteratorPuller(source);
  if (Symbol.iterator in source && !isObservable(source)) {
    return () => iteratorPuller(source[Symbol.iterator]());
  }
  return undefined;
}

function streamPuller<T>(
  stream: Pick<ReadableStream<T>, 'getReader'> | ReadableStreamLike<T>,
): Puller<T> {
  const reader: { read: Puller<T>['next']; cancel?(): Promise<void> } = stream.getReader();
  return {
    next: () => reader.read(),
    stop: () => {
      reader.cancel?.().catch(ignore);
    },
  };
}

function iteratorPuller<T>(iterator: Iterator<T> | AsyncIterator<T>): Puller<T> {
  return {
    next: async () => iterator.next(),
    stop: () => {
      // Asynchronous, so that what a generator throws on its way out stays here too.
      (async () => iterator.return?.())().catch(ignore);
    },
  };
}

/** As any other, but for Node's streams: their iterators let go only when the next piece has come, if ever. */
function asyncIteratorPuller<T>(source: AsyncIterable<T>): Puller<T> {
  const puller = iteratorPuller(source[Symbol.asyncIterator]());
  if (!isDestroyable(source)) return puller;
  const stop = (): void => {
    source.destroy();
  };
  return { ...puller, stop };
}

function isDestroyable(source: object): source is { destroy(): void } {
  return 'destroy' in source && typeof source.destroy === 'function';
}

function ignore(): void {
  // Nobody asks any more what becomes of the source.
}
