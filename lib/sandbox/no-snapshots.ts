import { throwError, type Observable } from 'rxjs';
import { UnsupportedError } from '../process/errors/errors.js';
import type { BackendSnapshots } from './backend.js';
import type { SandboxSpec } from './sandbox-spec.js';

/** The snapshots of a backend that keeps none: each call is refused. */
export class NoSnapshots implements BackendSnapshots {
  readonly #why: string;

  /** `why` says what to do about it. */
  constructor(why: string) {
    this.#why = why;
  }

  take(): Observable<never> {
    return this.#refusal();
  }

  get(): Observable<never> {
    return this.#refusal();
  }

  list(): Observable<never> {
    return this.#refusal();
  }

  delete(): Observable<never> {
    return this.#refusal();
  }

  /** @throws UnsupportedError for a sandbox that would have volumes. */
  refuseVolumes({ volumes = [] }: SandboxSpec): void {
    if (volumes.length > 0) throw this.#error();
  }

  #refusal(): Observable<never> {
    return throwError(() => this.#error());
  }

  #error(): UnsupportedError {
    return new UnsupportedError('snapshots', this.#why);
  }
}
