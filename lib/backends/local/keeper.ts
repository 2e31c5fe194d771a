import type { ChildProcess } from 'node:child_process';
import { AsyncSubject, defer, ignoreElements, NEVER, type Observable } from 'rxjs';

/**
 * The process that a sandbox stands and falls with. It ends when its standard input does, so it never outlives this
 * program, however that ends; and once it is ready, it does not keep this program running.
 */
export class Keeper {
  readonly #child: ChildProcess;
  readonly #end: () => void;
  readonly #ended: AsyncSubject<string> = new AsyncSubject();
  #closing = false;

  /** `end` makes the keeper end, and with it all that it keeps. */
  constructor(child: ChildProcess, end: () => void) {
    this.#child = child;
    this.#end = end;
    child.stdin?.on('error', ignore);
    child.once('exit', (code, signal) => {
      this.#ended.next(
        `its keeper ended unexpectedly (${signal ?? `status ${code ?? 'unknown'}`})`,
      );
      this.#ended.complete();
    });
  }

  /** The sandbox is ready: from now on it does not keep this program running. */
  ready(): void {
    this.#holdProgram(false);
  }

  /** Emits why, when the keeper ends without having been asked to. */
  get died$(): Observable<string> {
    return defer(() => (this.#closing ? NEVER : this.#ended));
  }

  /** Ends the keeper and completes when it is gone. */
  get close$(): Observable<never> {
    return defer(() => {
      if (!this.#closing) {
        this.#closing = true;
        this.#holdProgram(true);
        this.#end();
      }
      return this.#ended.pipe(ignoreElements());
    });
  }

  #holdProgram(hold: boolean): void {
    const handles = [this.#child, ...this.#child.stdio];
    for (const handle of handles) {
      if (handle === null || handle === undefined || !('unref' in handle)) continue;
      const { ref, unref } = handle as Pick<ChildProcess, 'ref' | 'unref'>;
      (hold ? ref : unref).call(handle);
    }
  }
}

function ignore(): void {
  // The keeper may be gone before its input is closed.
}
