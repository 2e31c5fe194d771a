import type { AsyncSubject, Subscription } from 'rxjs';
import type { CreateSandboxRequest } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { Removal } from './removal.js';
import type { SandboxRecord } from './sandbox-record.js';
import type { Ending } from './snapshots/endings.js';

/** A sandbox of the host: its record, and its life on the backend. */
export interface HostSandbox {
  readonly record: SandboxRecord;
  /** The name of the token with which it was made, where the host wants tokens. */
  readonly owner: string | undefined;
  readonly request: CreateSandboxRequest;
  /** Its id on the backend, once it is there. */
  backendId: string | undefined;
  /** What ends it, where that takes snapshots. */
  ending: Ending | undefined;
  /** Completes when it runs; errors when it could not be made. */
  readonly ready: AsyncSubject<void>;
  /** How it is removed from the backend, once it is to be. */
  readonly removal: Removal;
  /** Completes when nothing of it is left but its record. */
  readonly gone: AsyncSubject<void>;
  /** Completes when the main command is over, or will never be started. */
  readonly mainOver: AsyncSubject<void>;
  /** Completes when it can no longer be asked for. */
  readonly forgotten: AsyncSubject<void>;
  /** What brings it to life; unsubscribing undoes that. */
  readonly life: Subscription;
}
