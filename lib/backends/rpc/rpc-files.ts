import {
  catchError,
  concatMap,
  ignoreElements,
  map,
  mergeMap,
  Observable,
  throwError,
  type Subscriber,
} from 'rxjs';
import { concatBytes } from '../../process/bytes.js';
import { SandboxFileError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { ProcessEvent } from '../../process/process-event.js';
import type { StdinWrite } from '../../process/stdin.js';
import type { BackendFiles, ExecRequest, FileInfo, FileRequest } from '../../sandbox/backend.js';
import { shellFiles } from '../../sandbox/shell-files.js';
import { GrpcCode } from '../../wire/grpc-code.js';
import {
  ReadFileRequest,
  WriteFileRequest,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { FileInfo as FileInfoMessage } from '../../wire/generated/sandboxrx/v1/sandboxrx.js';
import { listFiles, readFile, removeFile, writeFile } from './methods.js';
import type { CallOptions, RpcTransport } from './rpc-transport.js';

/** What is written in one call; more goes through a command that takes it as it comes, so as not to be held in memory. */
const singleWriteBytes = 4_194_304;

/**
 * Files of sandboxes on a server: small ones by its own calls, large ones, and what it has no call for, by commands in
 * the sandbox.
 */
export function rpcFiles(
  transport: RpcTransport,
  {
    timeoutMs,
    exec$,
  }: {
    readonly timeoutMs: number;
    readonly exec$: (request: ExecRequest) => Observable<ProcessEvent>;
  },
): BackendFiles {
  const shell = shellFiles<undefined>((_, request) => exec$(request));
  const about = ({ sandboxId, path }: FileRequest): CallOptions => ({
    timeoutMs,
    subject: { sandboxId, path },
  });
  return {
    read: (request) =>
      transport.call(readFile, ReadFileRequest.fromPartial(asked(request)), about(request)).pipe(
        map(({ message }) => message.content),
        otherwise(isTooLarge, () => shell.read(undefined, request)),
      ),
    write: (request) =>
      beginning(request.data$, singleWriteBytes).pipe(
        mergeMap(({ content, rest$ }) => {
          if (rest$ !== undefined) return shell.write(undefined, { ...request, data$: rest$ });
          const message = WriteFileRequest.fromPartial({ ...asked(request), content });
          return transport.call(writeFile, message, about(request)).pipe(ignoreElements());
        }),
      ),
    list: (request) =>
      transport.call(listFiles, asked(request), about(request)).pipe(
        concatMap(({ message }) => message.files.map(fileInfoOf)),
        otherwise(isUnknownCall, () => shell.list(undefined, request)),
      ),
    remove: (request) => {
      const { recursive } = request;
      return transport.call(removeFile, { ...asked(request), recursive }, about(request)).pipe(
        ignoreElements(),
        otherwise(isUnknownCall, () => shell.remove(undefined, request)),
      );
    },
  };
}

function asked({ sandboxId, path }: FileRequest): { sandboxId: string; path: string } {
  return { sandboxId, path };
}

function otherwise<T>(
  when: (error: unknown) => boolean,
  then: () => Observable<T>,
): (source: Observable<T>) => Observable<T> {
  return catchError((error: unknown) => (when(error) ? then() : throwError(() => error)));
}

function isTooLarge(error: unknown): boolean {
  return (
    (error instanceof SandboxFileError && error.reason === 'too_large') ||
    (error instanceof SandboxError && error.remote?.grpcCode === GrpcCode.RESOURCE_EXHAUSTED)
  );
}

/** A server that has never heard of the call names no reason. */
function isUnknownCall(error: unknown): boolean {
  return (
    error instanceof SandboxError &&
    error.remote?.grpcCode === GrpcCode.UNIMPLEMENTED &&
    error.remote.reason === undefined
  );
}

function fileInfoOf({ name, type, sizeBytes, modifiedAtMs }: FileInfoMessage): FileInfo {
  const known = type === 'file' || type === 'directory' || type === 'symlink' ? type : 'other';
  return { name, type: known, sizeBytes: Number(sizeBytes), modifiedAtMs: Number(modifiedAtMs) };
}

/** What is to be written: all of it, or, where it is more than that, a source that begins anew. */
interface Beginning {
  readonly content: Uint8Array;
  readonly rest$?: Observable<StdinWrite>;
}

/** Takes data until it is over, or more than `maxBytes`; then the data that was taken leads the rest. */
function beginning(data$: Observable<StdinWrite>, maxBytes: number): Observable<Beginning> {
  return new Observable((subscriber) => {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    let writer: Subscriber<StdinWrite> | undefined;
    const pending: StdinWrite[] = [];
    let isOver = false;
    const rest$: Observable<StdinWrite> = new Observable((next) => {
      writer = next;
      for (const data of taken.splice(0)) next.next({ data, accepted: () => undefined });
      for (const write of pending.splice(0)) next.next(write);
      if (isOver) next.complete();
    });
    return data$.subscribe({
      next: (write) => {
        if (writer !== undefined) {
          writer.next(write);
        } else if (bytes > maxBytes) {
          pending.push(write);
        } else if (bytes + write.data.length <= maxBytes) {
          bytes += write.data.length;
          taken.push(write.data.slice());
          write.accepted();
        } else {
          bytes = Infinity;
          pending.push(write);
          subscriber.next({ content: new Uint8Array(), rest$ });
        }
      },
      error: (error: unknown) => {
        if (writer === undefined) subscriber.error(error);
        else writer.error(error);
      },
      complete: () => {
        isOver = true;
        writer?.complete();
        if (bytes <= maxBytes) subscriber.next({ content: concatBytes(taken) });
        subscriber.complete();
      },
    });
  });
}
