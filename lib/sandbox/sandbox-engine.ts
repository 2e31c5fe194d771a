import type { Observable, SchedulerLike } from 'rxjs';
import type { ProcessEvent } from '../process/process-event.js';
import type {
  BackendFiles,
  BackendSnapshots,
  Capabilities,
  ExecRequest,
  SignalRequest,
  SnapshotInfo,
} from './backend.js';
import type { NoSnapshots } from './no-snapshots.js';
import type { SandboxSpec, ScratchVolume, ServiceAddress } from './sandbox-spec.js';

/** The files of one sandbox. */
export type EngineFiles<Box> = {
  readonly [Name in keyof BackendFiles]: (
    box: Box,
    ...request: Parameters<BackendFiles[Name]>
  ) => ReturnType<BackendFiles[Name]>;
};

/** What a snapshot is taken of. */
export interface SnapshotSource {
  readonly sandboxId: string;
  readonly volume: ScratchVolume;
}

/** The snapshots that an engine keeps. */
export interface EngineSnapshots<Box> extends Omit<BackendSnapshots, 'take'> {
  take(box: Box, source: SnapshotSource): Observable<SnapshotInfo>;
}

/** What runs sandboxes inside this program. `Box` is the engine's own handle on one of them. */
export interface SandboxEngine<Box> {
  readonly name: string;
  /** All but what is none of an engine's affairs. */
  readonly capabilities: Omit<Capabilities, 'logOptions'>;
  /** Emits the sandbox when it is ready, with its volumes restored. Unsubscribing before that leaves nothing behind. */
  open(id: string, spec: SandboxSpec): Observable<Box>;
  /** Emits why, when a sandbox ends by itself. */
  died(box: Box): Observable<string>;
  /** Ends everything in it, and completes when nothing is left. May be asked again. */
  close(box: Box): Observable<never>;
  /** A cold run, as `SandboxBackend.exec`, but of a sandbox that is known to be running. */
  spawn(box: Box, request: ExecRequest): Observable<ProcessEvent>;
  signal(box: Box, request: SignalRequest): Observable<never>;
  readonly files: EngineFiles<Box>;
  readonly snapshots: EngineSnapshots<Box> | NoSnapshots;
  /** Where the services of its spec are reached. Absent: it has none, as `capabilities` say. */
  services?(box: Box): readonly ServiceAddress[];
  /** The time of lifetimes. Default: the system's. */
  readonly scheduler?: SchedulerLike;
}
