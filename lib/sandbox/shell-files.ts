import { ignoreElements, type Observable } from 'rxjs';
import { staged } from '../operators/staged.js';
import { newId } from '../process/new-id.js';
import type { ProcessEvent } from '../process/process-event.js';
import type { ExecRequest, FileInfo, FileRequest } from './backend.js';
import { helperOutput, helperRun } from './helper-run.js';
import type { EngineFiles } from './sandbox-engine.js';

/**
 * Files by commands of a POSIX system, so that what they may touch, and where a link leads, is what the sandbox itself
 * may and sees. `spawn` runs them in the sandbox, from its home on.
 */
export function shellFiles<Box>(
  spawn: (box: Box, request: ExecRequest) => Observable<ProcessEvent>,
): EngineFiles<Box> {
  const run = (
    box: Box,
    script: string,
    request: FileRequest & Partial<ExecRequest>,
  ): Observable<Uint8Array> =>
    spawn(box, {
      ...helperRun,
      ...request,
      id: newId(),
      command: ['/bin/sh', '-c', script, 'sh', operand(request.path)],
    }).pipe(helperOutput({ path: request.path }));
  return {
    read: (box, request) => run(box, readScript, request),
    write: (box, { data$, ...request }) =>
      run(box, writeScript, { ...request, stdin$: data$ }).pipe(ignoreElements()),
    list: (box, request) => run(box, listScript, request).pipe(fileInfos()),
    remove: (box, { recursive, ...request }) =>
      run(box, recursive ? 'exec rm -r -- "$1"' : 'exec rm -- "$1"', request).pipe(
        ignoreElements(),
      ),
  };
}

/** Reading a FIFO, a terminal or a device may never end, and takes what others should get. What is missing is left to `cat`. */
const readScript = `
[ -f "$1" ] || [ -d "$1" ] || [ ! -e "$1" ] ||
  { echo 'not a regular file; read it by a command, such as cat' >&2; exit 1; }
exec cat -- "$1"
`;

const writeScript = `
[ -d "$1" ] && { echo 'Is a directory' >&2; exit 1; }
{ [ -d "\${1%/*}/" ] || mkdir -p -- "\${1%/*}/"; } && exec cat >"$1"
`;

/**
 * One record a file: type, size, time and name, each ended so that no name can be mistaken for another. A file that goes
 * while the directory is read is none of its files.
 */
const listScript = String.raw`exec find "$1/." -ignore_readdir_race -mindepth 1 -maxdepth 1 -printf '%y/%s/%T@/%f\0'`;

/** A path that no command takes for an option. */
function operand(path: string): string {
  return path.startsWith('/') ? path : `./${path}`;
}

const types: Readonly<Record<string, FileInfo['type']>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
};

/** Reads the records of {@link listScript}. */
function fileInfos(): (source: Observable<Uint8Array>) => Observable<FileInfo> {
  return staged<Uint8Array, FileInfo>((subscriber) => {
    const decoder = new TextDecoder();
    let rest = '';
    return {
      next: (bytes) => {
        const records = (rest + decoder.decode(bytes, { stream: true })).split('\0');
        rest = records.pop() ?? '';
        for (const record of records) subscriber.next(fileInfo(record));
      },
    };
  });
}

function fileInfo(record: string): FileInfo {
  const [type = '', size = '', modified = '', ...name] = record.split('/');
  return {
    name: name.join('/'),
    type: types[type] ?? 'other',
    sizeBytes: Number(size),
    modifiedAtMs: Math.floor(Number(modified) * 1000),
  };
}
