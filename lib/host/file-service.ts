import { concat, defer, map, NEVER, of, reduce, toArray, type Observable } from 'rxjs';
import { concatBytes } from '../process/bytes.js';
import { SandboxFileError } from '../process/errors/errors.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import type {
  ReadFileRequest,
  ReadFileResponse,
  WriteFileRequest,
  WriteFileResponse,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type {
  ListFilesRequest,
  ListFilesResponse,
  RemoveFileRequest,
  RemoveFileResponse,
} from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { GrpcCode } from '../wire/grpc-code.js';
import { checkedPath } from './checked-path.js';
import type { Sandboxes } from './sandboxes.js';

/** A file that is read or written in one call. */
const maxFileBytes = 33_554_432;
/** CoreWeave's clients read a larger file by a command, if they are told its size and it is no more than this. */
const maxCountedBytes = 268_435_456;

/** The files of sandboxes: ReadFile and WriteFile, and what sandbox-rx adds to them. */
export class FileService {
  readonly #backend: SandboxBackend;
  readonly #sandboxes: Sandboxes;

  constructor(backend: SandboxBackend, sandboxes: Sandboxes) {
    this.#backend = backend;
    this.#sandboxes = sandboxes;
  }

  read({ sandboxId: id, path, container }: ReadFileRequest): Observable<ReadFileResponse> {
    return defer(() => {
      const sandboxId = this.#sandboxes.running(id, container);
      let bytes = 0;
      return this.#backend.files
        .read({ sandboxId, path: checkedPath('path', path), paused$: NEVER })
        .pipe(
          reduce<Uint8Array, Uint8Array[]>((parts, data) => {
            bytes += data.length;
            if (bytes > maxCountedBytes) throw tooLarge('read_file', path);
            // Nothing but the size of a larger file is of use.
            if (bytes > maxFileBytes) return [];
            parts.push(data);
            return parts;
          }, []),
          map((parts) => {
            if (bytes > maxFileBytes) throw tooLarge('read_file', path, bytes);
            return { content: concatBytes(parts) };
          }),
        );
    });
  }

  write({ content: data, ...request }: WriteFileRequest): Observable<WriteFileResponse> {
    return defer(() => {
      const { sandboxId: id, path, container } = request;
      const sandboxId = this.#sandboxes.running(id, container);
      if (data.length > maxFileBytes) throw tooLarge('write_file', path, data.length);
      const data$ = of({ data, accepted: () => undefined });
      return concat(
        this.#backend.files.write({ sandboxId, path: checkedPath('path', path), data$ }),
        of({}),
      );
    });
  }

  list({ sandboxId: id, path }: ListFilesRequest): Observable<ListFilesResponse> {
    return defer(() => {
      const sandboxId = this.#sandboxes.running(id);
      return this.#backend.files.list({ sandboxId, path: checkedPath('path', path) });
    }).pipe(
      map(({ sizeBytes, modifiedAtMs, ...file }) => ({
        ...file,
        sizeBytes: BigInt(sizeBytes),
        modifiedAtMs: BigInt(modifiedAtMs),
      })),
      toArray(),
      map((files) => ({ files })),
    );
  }

  remove({ sandboxId: id, path, recursive }: RemoveFileRequest): Observable<RemoveFileResponse> {
    return defer(() => {
      const sandboxId = this.#sandboxes.running(id);
      const removed$ = this.#backend.files.remove({
        sandboxId,
        path: checkedPath('path', path),
        recursive,
      });
      return concat(removed$, of({}));
    });
  }
}

function tooLarge(
  operation: 'read_file' | 'write_file',
  path: string,
  bytes?: number,
): SandboxFileError {
  const message = `it is larger than the ${maxFileBytes} bytes of one call (max-file-operation-bytes)`;
  const metadata = {
    ...{ operation, max_size_bytes: String(maxFileBytes) },
    ...(bytes !== undefined && { size_bytes: String(bytes) }),
  };
  const remote = { grpcCode: GrpcCode.FAILED_PRECONDITION, metadata };
  return new SandboxFileError('too_large', message, { path, remote });
}
