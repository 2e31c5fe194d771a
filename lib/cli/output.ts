import {
  BehaviorSubject,
  concatMap,
  distinctUntilChanged,
  lastValueFrom,
  tap,
  type Observable,
} from 'rxjs';

/** Passes a stream on; its writer waits while our reader does. */
export async function copy(
  source: AsyncIterable<Uint8Array>,
  output: NodeJS.WritableStream,
): Promise<void> {
  for await (const bytes of source) await write(output, bytes);
}

/** Settles when the data was taken, so that nothing piles up here, nor is lost when this program ends. */
export function write(output: NodeJS.WritableStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(data, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Prints a value as one line of JSON. */
export function printJson(value: unknown): Promise<void> {
  return write(process.stdout, `${JSON.stringify(value)}\n`);
}

/** What waits here to be written, at most, before its source is asked to wait too. */
const maxWaitingBytes = 1_048_576;

/** Takes what is pushed, one after the other; settles when all of it was taken. */
export async function takeAll<T>(
  open: (paused$: Observable<boolean>) => Observable<T>,
  {
    take,
    bytesOf,
  }: { readonly take: (item: T) => Promise<void>; readonly bytesOf: (item: T) => number },
): Promise<void> {
  const paused: BehaviorSubject<boolean> = new BehaviorSubject(false);
  let waiting = 0;
  const count = (length: number): void => {
    waiting += length;
    paused.next(waiting > maxWaitingBytes);
  };
  const taken$ = open(paused.pipe(distinctUntilChanged())).pipe(
    tap((item) => {
      count(bytesOf(item));
    }),
    concatMap(async (item) => {
      await take(item);
      count(-bytesOf(item));
    }),
  );
  await lastValueFrom(taken$, { defaultValue: undefined });
}
