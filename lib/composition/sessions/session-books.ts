import { BehaviorSubject, type Observable } from 'rxjs';

/** Of numbers: how many there are, their mean, the least and the greatest. */
export interface Spread {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** What a session has done so far. */
export interface SessionStats {
  readonly sandboxesCreated: number;
  readonly sandboxesAdopted: number;
  /** Runs that were started; those that are not in the following four go on. */
  readonly executions: number;
  /** Those that ended with exit status 0. */
  readonly succeeded: number;
  /** Those that ended with another one, with or without `check`. */
  readonly nonzero: number;
  /** Those that could not be run, or of whose end nothing is known. */
  readonly failed: number;
  /** Those that were ended by whoever started them: by unsubscribing, `cancel()`, `timeoutMs` or a `signal`. */
  readonly cancelled: number;
  /** How long it took until sandboxes ran, in milliseconds. Absent before the first. */
  readonly startupMs?: Spread;
  /** How many runs each sandbox had in which there was one. Absent before the first. */
  readonly executionsPerSandbox?: Spread;
}

type Count =
  'sandboxesCreated' | 'sandboxesAdopted' | 'succeeded' | 'nonzero' | 'failed' | 'cancelled';

/** What a session has to delete at its end, and what is counted meanwhile. */
export class SessionBooks {
  /** The sandboxes that are the session's own. */
  readonly ids: Set<string> = new Set();
  /** Nothing new is let in. */
  isClosed = false;
  readonly #counts: Record<Count, number> = {
    sandboxesCreated: 0,
    sandboxesAdopted: 0,
    succeeded: 0,
    nonzero: 0,
    failed: 0,
    cancelled: 0,
  };
  readonly #executions: Map<string, number> = new Map();
  readonly #startupMs = new Sample();
  readonly #creating: BehaviorSubject<number> = new BehaviorSubject(0);

  get stats(): SessionStats {
    const perSandbox = new Sample();
    for (const count of this.#executions.values()) perSandbox.add(count);
    const { spread: startupMs } = this.#startupMs;
    const { total: executions, spread: executionsPerSandbox } = perSandbox;
    return {
      ...this.#counts,
      executions,
      ...(startupMs && { startupMs }),
      ...(executionsPerSandbox && { executionsPerSandbox }),
    };
  }

  /** How many sandboxes are being made. */
  get creating$(): Observable<number> {
    return this.#creating.asObservable();
  }

  /** One more is being made, or one less. */
  creating(change: 1 | -1): void {
    this.#creating.next(this.#creating.value + change);
  }

  created(id: string, startupMs: number): void {
    this.ids.add(id);
    this.#startupMs.add(startupMs);
    this.count('sandboxesCreated');
  }

  adopted(id: string): void {
    if (this.ids.has(id)) return;
    this.ids.add(id);
    this.count('sandboxesAdopted');
  }

  executed(sandboxId: string): void {
    this.#executions.set(sandboxId, (this.#executions.get(sandboxId) ?? 0) + 1);
  }

  count(what: Count): void {
    this.#counts[what]++;
  }
}

class Sample {
  total = 0;
  #count = 0;
  #min = Infinity;
  #max = -Infinity;

  get spread(): Spread | undefined {
    if (this.#count === 0) return undefined;
    return { count: this.#count, mean: this.total / this.#count, min: this.#min, max: this.#max };
  }

  add(value: number): void {
    this.total += value;
    this.#count++;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
  }
}
