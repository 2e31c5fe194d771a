import type { HostSandbox } from '../host-sandbox.js';
import { Feed } from './feed.js';

/** A sandbox of the host, or the id of one that can no longer be asked for. */
export interface FeedSandbox {
  readonly id: string;
  readonly sandbox?: HostSandbox;
}

/** Changes that are remembered for those who come back. */
const historyLength = 1000;

/** The sandboxes of a host, for those who watch them. */
export class SandboxFeed extends Feed<FeedSandbox> {
  constructor() {
    super(historyLength);
    this.listed();
  }

  /** Tells of a sandbox until it is forgotten. */
  follow(sandbox: HostSandbox): void {
    const { record, forgotten } = sandbox;
    const { id } = record;
    const changing = record.changed$.subscribe({
      next: () => {
        this.set({ id, sandbox });
      },
      error: () => undefined,
    });
    forgotten.subscribe({
      error: () => undefined,
      complete: () => {
        changing.unsubscribe();
        this.end({ id });
      },
    });
    this.set({ id, sandbox });
  }
}
