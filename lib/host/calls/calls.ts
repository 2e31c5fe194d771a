import { defer, filter, ignoreElements, startWith, Subject, take, type Observable } from 'rxjs';
import { ConnectionLostError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { LiveMap } from '../../process/live-map.js';
import { errorToStatus } from '../../wire/error-to-status.js';
import type { CallStatus } from '../../wire/grpc-code.js';
import { readDetails } from '../../wire/status-details.js';
import { checkMethod } from '../auth/scope.js';
import type { Caller, Tokens } from '../auth/tokens.js';
import { checkRoom, type Count, type HostLimits } from '../limits.js';
import type { HeldCount } from '../runs/held-count.js';

/** A call that has come in. */
export interface Arrival {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly isStream: boolean;
  /** The value of the header. */
  readonly authorization: string | undefined;
  /** Ends the call with an error, whatever it is at. */
  readonly fail: (error: unknown) => void;
}

/** A call that was let in and goes on. */
export interface OpenCall extends Arrival, Caller {
  /** Tells it from all others. */
  readonly number: number;
  readonly startedAtMs: number;
}

/** How a call ended, let in or not. */
export interface EndedCall {
  readonly path: string;
  readonly caller: string | undefined;
  /** The name of a token that the caller's has made, where the call came with one. */
  readonly scopeName: string | undefined;
  readonly durationMs: number;
  /** One of `GrpcCode`. */
  readonly code: number;
  /** Where it failed: the machine's word for it, and whom it was about. */
  readonly reason?: string | undefined;
  readonly sandboxId?: string | undefined;
  readonly runId?: string | undefined;
}

/** What lets calls in. */
export interface CallsConfig {
  readonly tokens: Tokens;
  readonly limits: HostLimits;
  readonly held: HeldCount;
}

/** May be called by anybody, at any time, and is in nobody's way: what orchestrators probe. */
const openService = '/grpc.health.v1.Health/';

/** Who has shown no token. */
const nobody: Caller = { caller: undefined, isAdmin: false, scope: undefined };

/** Goes on until the caller has enough: one that is shutting down lets them go elsewhere at once. */
const watchService = '/sandboxrx.v1.WatchService/';

/** Runs a command for as long as it lasts, or begins one that lasts longer. */
const runMethods: ReadonlySet<string> = new Set(['Exec', 'StreamExec', 'StartProcess']);

/**
 * All calls of a host, by whatever transport they come. Here each is let in or refused, and its end is told; services
 * know nothing of tokens, limits, metrics and logs.
 */
export class Calls {
  readonly #config: CallsConfig;
  readonly #open: LiveMap<number, OpenCall> = new LiveMap();
  /** Health checks that go on: watches. */
  readonly #probes: LiveMap<number, OpenCall> = new LiveMap();
  #begun = 0;
  readonly #ended: Subject<EndedCall> = new Subject();
  #isDraining = false;

  constructor(config: CallsConfig) {
    this.#config = config;
  }

  /** Tells each call when it is over, those that were refused too. */
  get ended$(): Observable<EndedCall> {
    return this.#ended;
  }

  /** Those that go on, health checks aside. */
  get open(): readonly OpenCall[] {
    return this.#open.values();
  }

  /** Lets a call in. @throws SandboxError where it is refused */
  begin(arrival: Arrival): OpenCall {
    const number = this.#begun++;
    const startedAtMs = performance.now();
    if (arrival.path.startsWith(openService)) {
      const probe = openCall({ number, startedAtMs, arrival, caller: nobody });
      this.#probes.set(probe.number, probe);
      return probe;
    }
    const caller = this.#callerOf(arrival);
    const call = openCall({ number, startedAtMs, arrival, caller });
    try {
      checkMethod(call, call.path);
      this.#checkRoom(call);
    } catch (error) {
      this.#refused(call, error);
    }
    this.#open.set(call.number, call);
    return call;
  }

  /** A call is over. Only its first end counts. */
  end(call: OpenCall, status: Omit<CallStatus, 'message'>): void {
    if (this.#probes.delete(call.number) || !this.#open.delete(call.number)) return;
    const durationMs = performance.now() - call.startedAtMs;
    this.#ended.next(endedCall(call, durationMs, status));
  }

  /** From now on calls are refused. */
  drain(): void {
    this.#isDraining = true;
    for (const call of this.open) if (call.path.startsWith(watchService)) call.fail(shuttingDown());
  }

  /** Completes when no call goes on. */
  get idle$(): Observable<never> {
    return defer(() =>
      this.#ended.pipe(
        startWith(undefined),
        filter(() => this.#open.size === 0),
        take(1),
        ignoreElements(),
      ),
    );
  }

  /** Ends all calls that go on. */
  failAll(): void {
    const text = 'this host was shut down before the call had ended; its outcome is not known';
    for (const call of [...this.open, ...this.#probes.values()])
      call.fail(new ConnectionLostError(text));
  }

  #callerOf(arrival: Arrival): Caller {
    try {
      return this.#config.tokens.verify(arrival.authorization);
    } catch (error) {
      return this.#refused({ path: arrival.path, ...nobody }, error);
    }
  }

  #refused(call: Pick<OpenCall, 'path' | 'caller' | 'scope'>, error: unknown): never {
    this.#ended.next(endedCall(call, 0, errorToStatus(error)));
    throw error;
  }

  #checkRoom({ path, isStream, caller }: OpenCall): void {
    if (this.#isDraining) throw shuttingDown();
    const { maxRuns, maxRunsPerToken, maxStreams, maxStreamsPerToken } = this.#config.limits;
    if (isRun(path)) {
      const calls = this.#count((call) => isRun(call.path), caller);
      const { held } = this.#config;
      const count: Count = (whose) => calls(whose) + (whose === 'all' ? held.all : held.of(caller));
      checkRoom('runs', count, { max: maxRuns, maxPerToken: maxRunsPerToken });
    }
    if (isStream) {
      const count = this.#count((call) => call.isStream, caller);
      checkRoom('open streams', count, { max: maxStreams, maxPerToken: maxStreamsPerToken });
    }
  }

  #count(isCounted: (call: OpenCall) => boolean, caller: string | undefined): Count {
    return (whose) => {
      let count = 0;
      for (const call of this.open)
        if (isCounted(call) && (whose === 'all' || call.caller === caller)) count++;
      return count;
    };
  }
}

/** What {@link OpenCall} is made of. */
interface Begun extends Pick<OpenCall, 'number' | 'startedAtMs'> {
  readonly arrival: Arrival;
  readonly caller: Caller;
}

/** Written out, as {@link endedCall} is: V8 (as of 11) makes a hidden class for each object that begins with a spread. */
function openCall({ number, startedAtMs, arrival, caller }: Begun): OpenCall {
  const { path, isStream, authorization, fail } = arrival;
  const { isAdmin, scope } = caller;
  return {
    number,
    startedAtMs,
    path,
    isStream,
    authorization,
    fail,
    caller: caller.caller,
    isAdmin,
    scope,
  };
}

function endedCall(
  { path, caller, scope }: Pick<OpenCall, 'path' | 'caller' | 'scope'>,
  durationMs: number,
  { code, details }: Omit<CallStatus, 'message'>,
): EndedCall {
  const told = details && readDetails({ code, message: '', details });
  const { sandbox_id: sandboxId, run_id: runId } = told?.metadata ?? {};
  return {
    path,
    caller,
    scopeName: scope?.name,
    durationMs,
    code,
    reason: told?.reason,
    sandboxId,
    runId,
  };
}

function isRun(path: string): boolean {
  return runMethods.has(path.slice(path.lastIndexOf('/') + 1));
}

function shuttingDown(): SandboxError {
  const text = 'this host is shutting down; make the call again elsewhere, or later';
  return new SandboxError('ERR_BACKEND_UNAVAILABLE', text, { retryable: true });
}
