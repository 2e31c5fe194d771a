import { retry, timer, type Subscription } from 'rxjs';
import { newId } from '../../process/new-id.js';
import { ensureDeleted } from '../../sandbox/ensure-deleted.js';
import type { SandboxClient } from '../../sandbox/sandbox-client.js';
import type { SandboxInfo } from '../../sandbox/sandbox-spec.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import type { PoolPlan } from './pool-options.js';

/** Who is told what became of sandboxes. */
export interface SupplyOwner {
  made(sandbox: Sandbox): void;
  /** Whether somebody waited for it, who has been told. */
  notMade(error: unknown): boolean;
  /** One of them ended by itself. */
  ended(info: SandboxInfo): void;
  /** There is room for another one, or one may be made again. */
  changed(): void;
}

/** From a failure to the next attempt to make a sandbox that nobody waits for; twice as long after each further one. */
const firstPauseMs = 1000;
const longestPauseMs = 30_000;

/** Makes the sandboxes of a pool, deletes them, and notices where they end. */
export class PoolSupply {
  /** The tag by which the sandboxes are known. */
  readonly tag: string = `pool-${newId().slice(0, 13)}`;
  /** How many are being made. */
  creating = 0;
  /** Why one could not be made or deleted the last time. */
  error: unknown;
  readonly #client: SandboxClient;
  readonly #plan: PoolPlan;
  readonly #owner: SupplyOwner;
  readonly #deleting: Set<Sandbox> = new Set();
  /** Those that could not be deleted. */
  readonly #undeleted: Set<Sandbox> = new Set();
  #watching: Subscription | undefined;
  #pause: Subscription | undefined;
  #pauseMs = firstPauseMs;

  constructor(client: SandboxClient, plan: PoolPlan, owner: SupplyOwner) {
    this.#client = client;
    this.#plan = plan;
    this.#owner = owner;
  }

  /** How many are being deleted. */
  get deleting(): number {
    return this.#deleting.size;
  }

  /** How many could not be deleted. */
  get undeleted(): number {
    return this.#undeleted.size;
  }

  /** Making them has failed just now: only for who waits is it worth a try. */
  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /** Tells of those that end by themselves. A watch that breaks is begun again. */
  watch(): void {
    this.#watching = this.#client.backend
      .watch({ tags: [this.tag] })
      .pipe(retry({ delay: () => timer(firstPauseMs, this.#plan.scheduler) }))
      .subscribe({
        next: (info) => {
          if (info.status !== 'running') this.#owner.ended(info);
        },
        error: ignore,
      });
  }

  create(): void {
    this.creating++;
    const { spec } = this.#plan;
    const tagged = { ...spec, tags: [...(spec.tags ?? []), this.tag] };
    this.#client.create(tagged).result$.subscribe({
      next: (sandbox) => {
        this.creating--;
        this.error = undefined;
        this.#owner.made(sandbox);
      },
      error: (error: unknown) => {
        this.creating--;
        this.failed(error, true);
        this.#owner.changed();
      },
    });
  }

  /** One could not be made, or was of no use to anybody. `isAwaited`: somebody may have waited for it. */
  failed(error: unknown, isAwaited: boolean): void {
    this.error = error;
    if (!isAwaited || !this.#owner.notMade(error)) this.#rest();
  }

  /** One was of use: what failed before does not count any more. */
  worked(): void {
    this.#pause?.unsubscribe();
    this.#pause = undefined;
    this.#pauseMs = firstPauseMs;
  }

  /** Deletes them in the background. */
  delete(sandboxes: readonly Sandbox[]): void {
    // All at once, so that it is not over before the last of them is gone.
    for (const sandbox of sandboxes) this.#deleting.add(sandbox);
    for (const sandbox of sandboxes) this.#delete(sandbox);
  }

  /** Makes no more, and tries again to delete what could not be deleted. */
  close(): void {
    this.#watching?.unsubscribe();
    this.#pause?.unsubscribe();
    const again = [...this.#undeleted];
    this.#undeleted.clear();
    this.delete(again);
  }

  #delete(sandbox: Sandbox): void {
    ensureDeleted(this.#client.backend, sandbox.id).subscribe({
      error: (error: unknown) => {
        this.error = error;
        this.#deleting.delete(sandbox);
        this.#undeleted.add(sandbox);
        this.#owner.changed();
      },
      complete: () => {
        this.#deleting.delete(sandbox);
        this.#owner.changed();
      },
    });
  }

  #rest(): void {
    // Of many that fail together, one is as good a sign as all of them.
    if (this.#pause !== undefined) return;
    this.#pause = this.#plan.scheduler.schedule(() => {
      this.#pause = undefined;
      this.#owner.changed();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
  }
}

function ignore(): void {
  // It is tried again without end.
}
