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
