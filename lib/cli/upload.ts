import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { SandboxFileError } from '../process/errors/errors.js';
import type { SandboxFiles } from '../sandbox/sandbox-files.js';
import { insideSandbox, namesDirectory, type CopyEnd } from './copy-end.js';
import { Progress } from './progress.js';

/** What is copied into a sandbox. */
export interface Upload {
  readonly source: Exclude<CopyEnd, { type: 'sandbox' }>;
  readonly files: SandboxFiles;
  readonly path: string;
  readonly quiet: boolean;
}

/** Copies into a sandbox; gives how many bytes it was. */
export function upload(copy: Upload): Promise<number> {
  return copy.source.type === 'standard' ? uploadInput(copy) : uploadFile(copy, copy.source.path);
}

async function uploadInput({ files, path, quiet }: Upload): Promise<number> {
  if (namesDirectory(path)) throw new Error('what comes from standard input needs a file name');
  const progress = new Progress(path, { quiet });
  await files.write(path, counted(process.stdin, progress));
  progress.end();
  return progress.bytes;
}

async function uploadFile(copy: Upload, source: string): Promise<number> {
  const { path } = copy;
  const stats = await stat(source);
  if (stats.isDirectory()) {
    const hint = `tar -C ${source} -c . | sandbox-rx exec -i SANDBOX -- tar -C DIRECTORY -x`;
    throw new Error(`${source} is a directory, and cp copies files: ${hint}`);
  }
  const total = stats.isFile() ? stats.size : undefined;
  const send = async (target: string): Promise<number> => {
    const progress = new Progress(source, { total, quiet: copy.quiet });
    await copy.files.write(target, counted(createReadStream(source), progress));
    progress.end();
    return progress.bytes;
  };
  if (namesDirectory(path)) return send(insideSandbox(path, source));
  try {
    return await send(path);
  } catch (error) {
    const isDirectory = error instanceof SandboxFileError && error.reason === 'is_directory';
    // What can be read only once has been read.
    if (!isDirectory || total === undefined) throw error;
    return send(insideSandbox(path, source));
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    progress.add(bytes.length);
    yield bytes;
  }
}
