import { BehaviorSubject, Observable, Subscription, type Subscriber } from 'rxjs';
import { CancelledError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { Settlement } from '../../process/settlement.js';
import { Turns } from '../../process/turns.js';
import type { SandboxClient } from '../../sandbox/sandbox-client.js';
import type { SandboxInfo } from '../../sandbox/sandbox-spec.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { healthOf, type Health } from './health-check.js';
import type { PoolPlan, SandboxPoolState } from './pool-options.js';
import { PoolSupply, type SupplyOwner } from './pool-supply.js';
import { SandboxLease } from './sandbox-lease.js';

/** A sandbox of the pool that is ready, being asked for its health, or leased. */
interface Member {
  readonly sandbox: Sandbox;
  /** Somebody waited when it was made. */
  readonly isAwaited: boolean;
  leases: number;
  /** When it was last known to be well. */
  wellAtMs: number;
  lease?: SandboxLease;
}

/** Keeps the books of a pool: who is ready, who waits, and what has to be made or deleted. */
export class PoolKeeper implements SupplyOwner {
  readonly #plan: PoolPlan;
  readonly #supply: PoolSupply;
  readonly #members: Map<string, Member> = new Map();
  /** The last of them was used last, and is the next to be used: so those that are not needed get old. */
  readonly #idle: Member[] = [];
  readonly #waiting: Set<Subscriber<SandboxLease>> = new Set();
  readonly #closed: Settlement<void> = new Settlement();
  readonly #states: BehaviorSubject<SandboxPoolState>;
  readonly #turns = new Turns();
  readonly #checks: Set<Subscription> = new Set();
  #expiry: Subscription | undefined;
  #isClosing = false;

  constructor(client: SandboxClient, plan: PoolPlan) {
    this.#plan = plan;
    this.#supply = new PoolSupply(client, plan, this);
    this.#states = new BehaviorSubject(this.#state);
    this.#supply.watch();
    this.changed();
  }

  get tag(): string {
    return this.#supply.tag;
  }

  get state$(): Observable<SandboxPoolState> {
    return this.#states.asObservable();
  }

  /** Emits a lease when it is the caller's turn; leaving before that gives up one's place. */
  get lease$(): Observable<SandboxLease> {
    return new Observable((subscriber) => {
      // Whoever left before its subscription will never give anything back.
      if (subscriber.closed) return;
      if (this.#isClosing) {
        subscriber.error(closedError());
        return;
      }
      subscriber.add(() => {
        if (this.#waiting.delete(subscriber)) this.changed();
      });
      this.#waiting.add(subscriber);
      this.changed();
    });
  }

  /** Settles when nothing is left. */
  close(): Observable<void> {
    if (!this.#isClosing) this.#close();
    return this.#closed.value$;
  }

  get #state(): SandboxPoolState {
    const leased = [...this.#members.values()].filter(({ lease }) => lease !== undefined).length;
    const isClosed = this.#closed.outcome !== undefined;
    const { creating, deleting, error } = this.#supply;
    return {
      status: isClosed ? 'closed' : this.#isClosing ? 'closing' : 'open',
      idle: this.#idle.length,
      leased,
      starting: creating + this.#checks.size,
      deleting,
      waiting: this.#waiting.size,
      ...(error !== undefined && { error }),
    };
  }

  made(sandbox: Sandbox): void {
    const isAwaited = this.#waiting.size > 0;
    const member = { sandbox, isAwaited, leases: 0, wellAtMs: this.#plan.scheduler.now() };
    this.#members.set(sandbox.id, member);
    if (this.#isClosing) this.#discard(member);
    else this.#idle.push(member);
    this.changed();
  }

  notMade(error: unknown): boolean {
    const [waiter] = this.#waiting;
    if (waiter === undefined) return this.#isClosing;
    this.#waiting.delete(waiter);
    waiter.error(error);
    return true;
  }

  ended({ id, status, reason = 'nobody said why' }: SandboxInfo): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    const at = this.#idle.indexOf(member);
    if (at !== -1) this.#idle.splice(at, 1);
    const message = `sandbox ${id} of the pool is ${status} (${reason}); it is replaced, so lease another one`;
    const error = new SandboxError('ERR_SANDBOX_OVER', message, { sandboxId: id });
    // Before it is deleted, which makes room for the next one.
    if (member.leases === 0) this.#supply.failed(error, member.isAwaited && at === -1);
    this.#discard(member);
    member.lease?.lose(error);
    this.changed();
  }

  /** Does what the books call for. It may be called again by what it leads to: each step looks at how things are then. */
  changed(): void {
    if (this.#isClosing) {
      this.#endWhenClosed();
    } else {
      while (this.#idle.length > 0 && this.#waiting.size > this.#checks.size) this.#useIdle();
      while (this.#isLacking) this.#supply.create();
      this.#expire();
    }
    this.#tell();
  }

  get #isLacking(): boolean {
    const { min, max } = this.#plan;
    const { creating, deleting, isPaused } = this.#supply;
    const size = this.#members.size + creating;
    if (this.#isClosing || size + deleting >= max) return false;
    return this.#waiting.size > this.#checks.size + creating || (size < min && !isPaused);
  }

  #useIdle(): void {
    const member = this.#idle.pop();
    if (member === undefined) return;
    const { healthCheck, healthCheckAfterMs, scheduler } = this.#plan;
    if (healthCheck === undefined || scheduler.now() - member.wellAtMs < healthCheckAfterMs)
      this.#lease(member);
    else this.#check(member, healthCheck);
  }

  #lease(member: Member): void {
    const [waiter] = this.#waiting;
    if (waiter === undefined) {
      this.#idle.push(member);
      return;
    }
    this.#waiting.delete(waiter);
    if (member.leases++ === 0) this.#supply.worked();
    member.lease = new SandboxLease(member.sandbox, (isBroken) => {
      this.#returned(member, isBroken);
    });
    waiter.next(member.lease);
    waiter.complete();
  }

  #check(member: Member, healthCheck: NonNullable<PoolPlan['healthCheck']>): void {
    const check = new Subscription();
    this.#checks.add(check);
    check.add(
      healthOf(member.sandbox, healthCheck, this.#plan).subscribe({
        next: (health) => {
          this.#checks.delete(check);
          this.#checked(member, health);
        },
        error: ignore,
      }),
    );
  }

  #checked(member: Member, { isWell, cause }: Health): void {
    // It may have ended meanwhile.
    if (this.#members.has(member.sandbox.id)) {
      member.wellAtMs = this.#plan.scheduler.now();
      if (isWell) this.#lease(member);
      else this.#replace(member, cause);
    }
    this.changed();
  }

  #replace(member: Member, cause: unknown): void {
    const { id: sandboxId } = member.sandbox;
    const message = `sandbox ${sandboxId} of the pool failed its health check before anybody had it`;
    const error = new SandboxError('ERR_SANDBOX_OVER', message, { sandboxId, cause });
    if (member.leases === 0) this.#supply.failed(error, member.isAwaited);
    this.#discard(member);
  }

  #returned(member: Member, isBroken: boolean): void {
    delete member.lease;
    member.wellAtMs = this.#plan.scheduler.now();
    if (isBroken || member.leases >= this.#plan.maxLeases) this.#discard(member);
    else this.#idle.push(member);
    this.changed();
  }

  #discard({ sandbox }: Member): void {
    this.#members.delete(sandbox.id);
    this.#supply.delete([sandbox]);
  }

  /** Deletes what has not been needed for long. */
  #expire(): void {
    const { min, idleTimeoutMs, scheduler } = this.#plan;
    for (let oldest = this.#idle[0]; oldest !== undefined; oldest = this.#idle[0]) {
      if (this.#members.size <= min) return;
      const leftMs = oldest.wellAtMs + idleTimeoutMs - scheduler.now();
      if (leftMs > 0) {
        this.#expiry?.unsubscribe();
        this.#expiry = scheduler.schedule(() => {
          this.changed();
        }, leftMs);
        return;
      }
      this.#idle.shift();
      this.#discard(oldest);
    }
  }

  #close(): void {
    this.#isClosing = true;
    this.#expiry?.unsubscribe();
    for (const check of this.#checks) check.unsubscribe();
    this.#checks.clear();
    this.#idle.length = 0;
    const members = [...this.#members.values()];
    for (const waiter of [...this.#waiting]) {
      this.#waiting.delete(waiter);
      waiter.error(closedError());
    }
    for (const { lease } of members) lease?.lose(closedError());
    this.#members.clear();
    this.#supply.delete(members.map(({ sandbox }) => sandbox));
    this.#supply.close();
    this.changed();
  }

  #endWhenClosed(): void {
    const { creating, deleting, undeleted, error } = this.#supply;
    if (creating + deleting + this.#members.size > 0) return;
    this.#closed.settle(undeleted > 0 ? { ok: false, error } : { ok: true, value: undefined });
  }

  /** One who is told may change how it stands, so each is told in turn. */
  #tell(): void {
    this.#turns.take(() => {
      const { value } = this.#states;
      if (value.status === 'closed') return;
      const state = this.#state;
      if (!isSame(value, state)) this.#states.next(state);
      if (state.status === 'closed') this.#states.complete();
    });
  }
}

function isSame(a: SandboxPoolState, b: SandboxPoolState): boolean {
  const names = ['status', 'idle', 'leased', 'starting', 'deleting', 'waiting', 'error'] as const;
  return names.every((name) => a[name] === b[name]);
}

function ignore(): void {
  // A health check that fails is an answer.
}

function closedError(): CancelledError {
  return new CancelledError('the pool was closed');
}
