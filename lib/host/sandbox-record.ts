import { Subject, type Observable } from 'rxjs';
import { newId } from '../process/new-id.js';
import { SandboxError } from '../process/errors/sandbox-error.js';
import type { SandboxInfo, SandboxStatus } from '../sandbox/sandbox-spec.js';
import {
  ContainerStatus,
  Sandbox,
  SandboxStatus as StatusMessage,
  State,
  SandboxSpec as SandboxSpecMessage,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { Timestamp } from '../wire/generated/google/protobuf/timestamp.js';
import { infoOf, isTerminal, stateOf } from '../wire/sandbox-state.js';
import { serviceStatusesOf } from '../wire/services.js';
import { fromTimestamp, toTimestamp } from '../wire/timestamp.js';
import { badField } from './bad-field.js';
import { withoutContents } from './check-spec-fields.js';
import { MainLog } from './main-log.js';

/** How a sandbox stands, in the words of the API. */
type Phase = 'creating' | 'running' | 'terminating' | 'over';

/** What a host remembers of a sandbox. */
export class SandboxRecord {
  readonly id: string;
  /** In the order of creation. */
  readonly number: number;
  readonly spec: SandboxSpecMessage;
  /** When it was asked for. */
  readonly createdAtMs: number;
  /** The id of the main command's run, if there is one. */
  readonly mainRunId: string = newId();
  readonly log: MainLog;
  /** The log's name for those who take it up again. */
  readonly logSession: string = newId();
  readonly #origin: Pick<Sandbox, 'sourceTemplateId' | 'sourceTemplateRevision'>;
  readonly #changed: Subject<void> = new Subject();
  #phase: Phase = 'creating';
  #status: SandboxStatus = 'running';
  #reason = '';
  #returncode: number | undefined;
  #startedAtMs: number | undefined;
  #endedAtMs: number | undefined;
  /** Where its services are, from its backend. */
  #reached: Pick<SandboxInfo, 'services'> = {};

  /** `asked` says what it shall be and, of one that a host before this one had, how it stood. */
  constructor(
    id: string,
    {
      number,
      asked,
      logBytes,
    }: { readonly number: number; readonly asked: Sandbox; readonly logBytes: number },
  ) {
    this.id = id;
    this.number = number;
    this.spec = withoutContents(asked.spec ?? SandboxSpecMessage.create());
    const { sourceTemplateId, sourceTemplateRevision, status } = asked;
    this.#origin = { sourceTemplateId, sourceTemplateRevision };
    this.createdAtMs = millisecondsOf(status?.createTime) ?? Date.now();
    this.log = new MainLog(logBytes);
    if (status !== undefined) this.#restore(asked, status);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get info(): SandboxInfo {
    return {
      ...{ id: this.id, status: this.#status, tags: this.spec.tags, createdAtMs: this.createdAtMs },
      ...(this.#returncode !== undefined && { returncode: this.#returncode }),
      ...(this.#reason !== '' && { reason: this.#reason }),
    };
  }

  /** Tells whenever there is something new to be told of it. */
  get changed$(): Observable<void> {
    return this.#changed;
  }

  started(): void {
    if (this.#phase !== 'creating') return;
    this.#phase = 'running';
    this.#startedAtMs = Date.now();
    this.#changed.next();
  }

  /** It is being ended, for the first reason that is given. */
  ending(status: SandboxStatus, reason: string): void {
    if (this.#phase === 'over' || this.#phase === 'terminating') return;
    this.#phase = 'terminating';
    this.#status = status;
    this.#reason = reason;
    this.#changed.next();
  }

  mainEnded(returncode: number): void {
    this.#returncode = returncode;
    this.#changed.next();
  }

  ended(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#endedAtMs = Date.now();
    this.log.complete();
    this.#changed.next();
  }

  /** It has got its place on the backend, which tells this of it. */
  placed({ services = [] }: SandboxInfo): void {
    this.#reached = { services };
    this.#changed.next();
  }

  /** When it ended; undefined before. */
  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  /** @throws SandboxError with code `ERR_SANDBOX_OVER` */
  assertRunning(): void {
    if (this.#phase === 'running') return;
    const { id: sandboxId } = this;
    if (this.#phase === 'creating') {
      const text = `sandbox ${sandboxId} is still being created; wait until it is running`;
      throw new SandboxError('ERR_SANDBOX_OVER', text, { sandboxId, retryable: true });
    }
    const why = this.#reason === '' ? '' : ` (${this.#reason})`;
    const text = `sandbox ${sandboxId} is ${this.#status}${why}; create another one`;
    throw new SandboxError('ERR_SANDBOX_OVER', text, { sandboxId });
  }

  /** Empty: its only one. @throws SandboxValidationError where it has no such container. */
  assertContainer(name: string): void {
    if (name === '' || this.spec.containers.some((container) => container.name === name)) return;
    const { id: sandboxId } = this;
    throw badField('container', `there is no ${name} in sandbox ${sandboxId}`, { sandboxId });
  }

  /** What is told of it. */
  message({
    runnerId,
    runnerGroupId,
  }: Readonly<Record<'runnerId' | 'runnerGroupId', string>>): Sandbox {
    const { state, stateReason } = this.state;
    const { containers, maxLifetimeSeconds } = this.spec;
    const resources = containers[0]?.resourceRequirements;
    return Sandbox.fromPartial({
      ...{ sandboxId: this.id, spec: this.spec, ...this.#origin },
      status: StatusMessage.fromPartial({
        ...{ state, stateReason, runnerId, runnerGroupId },
        createTime: toTimestamp(this.createdAtMs),
        ...(this.#startedAtMs !== undefined && { startTime: toTimestamp(this.#startedAtMs) }),
        ...(this.#endedAtMs !== undefined && { endTime: toTimestamp(this.#endedAtMs) }),
        ...(this.#returncode !== undefined && isTerminal(state) && { exitCode: this.#returncode }),
        effectiveMaxLifetimeSeconds: maxLifetimeSeconds,
        ...(resources && { effectiveResourceRequirements: resources }),
        services: serviceStatusesOf(this.spec, this.#phase === 'running' ? this.#reached : {}),
        containerStatuses: containers.map(({ name }) =>
          ContainerStatus.fromPartial({ name, state, exitCode: this.#returncode ?? 0 }),
        ),
      }),
    });
  }

  /** What was going on died with the host before. */
  #restore(asked: Sandbox, status: StatusMessage): void {
    const wasOver = isTerminal(status.state);
    const before = infoOf(asked);
    this.#phase = 'over';
    this.#status = wasOver ? before.status : 'stopped';
    this.#reason = wasOver ? (before.reason ?? '') : 'it died with its host';
    this.#returncode = status.exitCode;
    this.#startedAtMs = millisecondsOf(status.startTime);
    this.#endedAtMs = millisecondsOf(status.endTime) ?? Date.now();
    this.log.complete();
  }

  /** How it stands, in the words of the API. */
  get state(): Pick<StatusMessage, 'state' | 'stateReason'> {
    switch (this.#phase) {
      case 'creating':
        return { state: State.STATE_CREATING, stateReason: '' };
      case 'running':
        return { state: State.STATE_RUNNING, stateReason: '' };
      case 'terminating':
        return { state: State.STATE_TERMINATING, stateReason: this.#reason };
      case 'over':
        return stateOf(this.info);
    }
  }
}

function millisecondsOf(time: Timestamp | undefined): number | undefined {
  return time && fromTimestamp(time);
}
