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
  #wasLost = false;

  /** `end` makes the keeper end, and with it all that it keeps. */
  constructor(child: ChildProcess, end: () => void) {
    this.#child = child;
    this.#end = end;
    child.stdin?.on('error', ignore);
    child.once('exit', (code, signal) => {
      this.#wasLost = !this.#closing || signal !== null;
      this.#over(`its keeper ended unexpectedly (${signal ?? `status ${code ?? 'unknown'}`})`);
    });
    child.once('error', ({ message }) => {
      // Others than that of its start do not end it.
      if (child.pid !== undefined) return;
      this.#wasLost = true;
      this.#over(`its keeper could not be started (${message})`);
    });
  }

  /** Whether it never began, or was ended by others: what it does at its end may not have been done. */
  get wasLost(): boolean {
    return this.#wasLost;
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

  #over(reason: string): void {
    this.#ended.next(reason);
    this.#ended.complete();
  }

  #holdProgram(hold: boolean): void {
    // Node leaves streams out where there were no file descriptors for them.
    const { stdin, stdout, stderr } = this.#child;
    const handles: readonly (object | null | undefined)[] = [this.#child, stdin, stdout, stderr];
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
