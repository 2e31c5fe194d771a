import { defer, map, NEVER, Subject, takeUntil, toArray, type Observable } from 'rxjs';
import { concatBytes } from '../process/bytes.js';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import { isStdinSource, stdinFrom, type StdinSource } from '../process/stdin.js';
import { checkBoolean, checkRecord, requireText, refuse } from '../process/validate.js';
import type { FileInfo, FileRequest, SandboxBackend } from './backend.js';
import { failInto } from './fail-into.js';

/**
 * The files of a sandbox, as streams and as single calls. A relative path starts at the sandbox's home.
 *
 * All errors are {@link SandboxFileError}s, whose `reason` says what is wrong.
 *
 * @example
 * ```ts
 * import type { Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * await sandbox.files.write('src/main.py', 'print(6 * 7)');
 * console.log((await sandbox.files.list('src')).map(({ name }) => name)); // ['main.py']
 * console.log(await sandbox.files.readText('src/main.py'));
 * ```
 */
export class SandboxFiles {
  readonly #backend: SandboxBackend;
  readonly #sandboxId: string;

  /** @internal */
  constructor(backend: SandboxBackend, sandboxId: string) {
    this.#backend = backend;
    this.#sandboxId = sandboxId;
  }

  /** The contents of a regular file, chunk by chunk. Unsubscribing stops reading. */
  read$(path: string): Observable<Uint8Array> {
    const request = this.#request(path);
    return defer(() => this.#backend.files.read({ ...request, paused$: NEVER }));
  }

  /** The whole contents of a regular file. */
  read(path: string): OperationRef<Uint8Array> {
    return startOperation(this.read$(path).pipe(toArray(), map(concatBytes)));
  }

  /** The whole contents of a text file in UTF-8. */
  readText(path: string): OperationRef<string> {
    const decoded = (chunks: readonly Uint8Array[]): string =>
      new TextDecoder().decode(concatBytes(chunks));
    return startOperation(this.read$(path).pipe(toArray(), map(decoded)));
  }

  /**
   * Makes or replaces a file, and the directories above it. That is not atomic: a write that fails, is cancelled or reads
   * the file itself leaves a part of it; where that matters, write beside it and rename with `mv`.
   *
   * @param source - Text, bytes, or a source of them; iterables and Web streams are read no faster than they are written.
   */
  write(path: string, source: StdinSource): OperationRef<void> {
    const request = this.#request(path);
    if (!isStdinSource(source))
      refuse('source', 'a string, a Uint8Array, or a source of them', source);
    const failure: Subject<never> = new Subject();
    const data$ = defer(() => stdinFrom(source)).pipe(failInto(failure));
    const written$ = this.#backend.files.write({ ...request, data$ }).pipe(takeUntil(failure));
    return startOperation<void>(written$, undefined);
  }

  /** What a directory holds, by name. */
  list(path = '.'): OperationRef<readonly FileInfo[]> {
    const byName = (infos: readonly FileInfo[]): readonly FileInfo[] =>
      [...infos].sort((a, b) => (a.name < b.name ? -1 : 1));
    return startOperation(
      this.#backend.files.list(this.#request(path)).pipe(toArray(), map(byName)),
    );
  }

  /** Removes a file or, with `recursive`, a directory and all in it. */
  remove(path: string, options: { readonly recursive?: boolean } = {}): OperationRef<void> {
    checkRecord('options', options);
    const { recursive = false } = options;
    checkBoolean('recursive', recursive);
    return startOperation<void>(
      this.#backend.files.remove({ ...this.#request(path), recursive }),
      undefined,
    );
  }

  #request(path: string): FileRequest {
    requireText('path', path);
    if (path === '') refuse('path', 'a path', path);
    return { sandboxId: this.#sandboxId, path };
  }
}
