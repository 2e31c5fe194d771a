import { open, stat, type FileHandle } from 'node:fs/promises';
import type { Observable } from 'rxjs';
import { insideLocal, namesDirectory, type CopyEnd } from './copy-end.js';
import { takeAll, write } from './output.js';
import { Progress } from './progress.js';

/** What is copied out of a sandbox. */
export interface Download {
  readonly read: (paused$: Observable<boolean>) => Observable<Uint8Array>;
  /** Of what is read, in the sandbox. */
  readonly path: string;
  readonly target: Exclude<CopyEnd, { type: 'sandbox' }>;
  readonly quiet: boolean;
}

/** Copies out of a sandbox; gives how many bytes it was. */
export async function download({ read, path, target, quiet }: Download): Promise<number> {
  const sink = target.type === 'standard' ? standardOutput : await fileFor(target.path, path);
  const progress = new Progress(path, { quiet });
  try {
    await takeAll(read, {
      take: async (bytes) => {
        await sink.take(bytes);
        progress.add(bytes.length);
      },
      bytesOf: ({ length }) => length,
    });
    await sink.take(new Uint8Array());
  } finally {
    await sink.close();
  }
  progress.end();
  return progress.bytes;
}

interface Sink {
  take(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

const standardOutput: Sink = {
  take: (bytes) => write(process.stdout, bytes),
  close: () => Promise.resolve(),
};

async function fileFor(target: string, path: string): Promise<Sink> {
  return localFile((await isDirectory(target)) ? insideLocal(target, path) : target);
}

async function isDirectory(path: string): Promise<boolean> {
  if (namesDirectory(path)) return true;
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}

/** Opened with the first byte or at the end, so that what cannot be read leaves the file that is there alone. */
function localFile(path: string): Sink {
  let handle: FileHandle | undefined;
  return {
    take: async (bytes) => {
      handle ??= await open(path, 'w');
      await handle.appendFile(bytes);
    },
    close: async () => handle?.close(),
  };
}
