/** What comes; nothing where this program is asked to stop before. */
export function untilStopped<T>(stop: AbortSignal, coming: PromiseLike<T>): Promise<T | undefined> {
  const stopped: Promise<undefined> = new Promise((resolve) => {
    const onStop = (): void => {
      resolve(undefined);
    };
    if (stop.aborted) onStop();
    else stop.addEventListener('abort', onStop);
  });
  return Promise.race([coming, stopped]);
}

/** What is made; nothing where this program is asked to stop before anybody could be told of it. */
export async function unlessStopped<T>(
  stop: AbortSignal,
  what: string,
  {
    make,
    undo,
  }: {
    readonly make: () => PromiseLike<T>;
    readonly undo: (made: T) => PromiseLike<unknown>;
  },
): Promise<T | undefined> {
  const onStop = (): void => {
    console.error(`sandbox-rx: the ${what} is being made; it is deleted as soon as it is there`);
  };
  stop.addEventListener('abort', onStop);
  const made = await make();
  stop.removeEventListener('abort', onStop);
  if (!stop.aborted) return made;
  await undo(made);
  return undefined;
}
