export type * from './backends/rpc/connected.js';
export {
  websocketBackend,
  type WebSocketBackendOptions,
} from './backends/rpc/tunnel/websocket-backend.js';
export { consume, type ConsumeOptions, type Pullable } from './composition/consume.js';
export type { Framing } from './composition/through/framing.js';
export { mapThrough, type MapThroughOptions } from './composition/through/map-through.js';
export {
  pipeProcesses,
  type Pipeline,
  type PipelineEvent,
  type PipelineOptions,
  type PipelineStage,
} from './composition/pipelines/pipeline.js';
export type { SandboxPoolOptions, SandboxPoolState } from './composition/pools/pool-options.js';
export type {
  CommandFailed,
  CommandFinished,
  CommandOutcome,
  CommandOutput,
  CommandRef,
  CommandRetrying,
  CommandStarted,
  CommandStep,
  RunAllEvent,
  RunAllProgress,
} from './composition/run-all/run-all-event.js';
export {
  toResults,
  toSummary,
  type RunAllSummary,
} from './composition/run-all/run-all-operators.js';
export type {
  CommandInput,
  CommandOptions,
  RetryOptions,
  RunAllOptions,
  SandboxSource,
} from './composition/run-all/run-all-options.js';
export { runAll } from './composition/run-all/run-all.js';
export { tee, type TeeOptions } from './composition/tee.js';
export { through } from './composition/through/through.js';
export type { Through, ThroughOptions } from './composition/through/through-options.js';
export { waitForPort, type WaitForPortOptions } from './composition/wait-for-port.js';
export { SandboxLease } from './composition/pools/sandbox-lease.js';
export { SandboxPool } from './composition/pools/sandbox-pool.js';
export type { SessionStats, Spread } from './composition/sessions/session-books.js';
export { Session, type SessionOptions } from './composition/sessions/session.js';
export { coalesce, type CoalesceConfig } from './operators/coalesce.js';
export { decode } from './operators/decode.js';
export { groupByStream } from './operators/group-by-stream.js';
export { lines, type LinesConfig } from './operators/lines.js';
export { ndjson } from './operators/ndjson.js';
export { stderr, stdout } from './operators/output.js';
export { check, toResult, type ResultConfig } from './operators/result.js';
export { untilLine } from './operators/until-line.js';
export { waitForLine, type WaitForLineOptions } from './operators/wait-for-line.js';
export type { Chunk } from './process/chunk-decoder.js';
export {
  CancelledError,
  ConnectionLostError,
  OutputLimitError,
  SandboxExecutionError,
  SandboxFileError,
  SandboxNotFoundError,
  SandboxTimeoutError,
  SandboxValidationError,
  TimeoutError,
  UnsupportedError,
  type ExecutionFailure,
  type FileFailure,
} from './process/errors/errors.js';
export {
  SandboxError,
  type FieldViolation,
  type RemoteDetails,
  type SandboxErrorCode,
  type SandboxErrorDetails,
} from './process/errors/sandbox-error.js';
export type { OverflowStrategy } from './process/flow-control.js';
export { OperationRef, type WaitOptions } from './process/operation-ref.js';
export type { ProcessControls, RunLifecycle, WindowSize } from './process/process-controls.js';
export type {
  ExitEvent,
  OutputEvent,
  OutputStream,
  ProcessEvent,
  StageStatus,
} from './process/process-event.js';
export type { ProcessOptions, StatsCallback } from './process/process-options.js';
export { ProcessResult } from './process/process-result.js';
export { Process } from './process/process.js';
export type { ProcessState } from './process/run.js';
export type { StdinData, StdinSource, StdinWrite } from './process/stdin.js';
export { StreamReader } from './process/stream-reader.js';
export { StreamWriter } from './process/stream-writer.js';
export type {
  AttachRequest,
  BackendFiles,
  BackendProcesses,
  BackendSnapshots,
  Capabilities,
  ExecRequest,
  FileInfo,
  FileRequest,
  LogsRequest,
  OnDisconnect,
  ProcessInfo,
  SandboxBackend,
  SignalRequest,
  SnapshotFilter,
  SnapshotInfo,
  SnapshotRequest,
} from './sandbox/backend.js';
export type { ExecOptions, RunOptions } from './sandbox/exec-options.js';
export type { LogsOptions } from './sandbox/logs-options.js';
export { SandboxClient } from './sandbox/sandbox-client.js';
export { SandboxFiles } from './sandbox/sandbox-files.js';
export type {
  SandboxFilter,
  SandboxInfo,
  SandboxLimits,
  SandboxSpec,
  SandboxStatus,
  ScratchVolume,
  ServiceAddress,
  ServicePort,
} from './sandbox/sandbox-spec.js';
export { Sandbox, type AttachOptions, type ShellOptions } from './sandbox/sandbox.js';
export { Snapshots } from './sandbox/snapshots.js';
