import {
  DiscoveryServiceDefinition,
  type AvailableRunner,
  type GetAvailableRunnerRequest,
  type ListAvailableRunnersRequest,
  type ListAvailableRunnersResponse,
} from '../../wire/generated/coreweave/sandbox/v1/discovery.js';
import {
  SandboxTemplateServiceDefinition,
  type CreateSandboxTemplateRequest,
  type DeleteSandboxTemplateRequest,
  type GetSandboxTemplateRequest,
  type ListSandboxTemplatesRequest,
  type ListSandboxTemplatesResponse,
  type SandboxTemplate,
  type UpdateSandboxTemplateRequest,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import type { Empty } from '../../wire/generated/google/protobuf/empty.js';
import {
  SandboxServiceDefinition,
  type CreateFileSystemSnapshotRequest,
  type CreateSandboxFromTemplateRequest,
  type CreateSandboxRequest,
  type DeleteFileSystemSnapshotRequest,
  type DeleteSandboxRequest,
  type DeleteSandboxResponse,
  type ExecStreamRequest,
  type ExecStreamResponse,
  type FileSystemSnapshot,
  type GetFileSystemSnapshotRequest,
  type GetSandboxRequest,
  type ListFileSystemSnapshotsRequest,
  type ListFileSystemSnapshotsResponse,
  type ListSandboxesRequest,
  type ListSandboxesResponse,
  type LogEntry,
  type ReadFileRequest,
  type ReadFileResponse,
  type Sandbox,
  type StreamLogsRequest,
  type WriteFileRequest,
  type WriteFileResponse,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  FileServiceDefinition,
  ProcessServiceDefinition,
  type EndProcessRequest,
  type EndProcessResponse,
  type ListFilesRequest,
  type ListFilesResponse,
  type RemoveFileRequest,
  type RemoveFileResponse,
} from '../../wire/generated/sandboxrx/v1/sandboxrx.js';
import {
  TokenServiceDefinition,
  type CreateTokenRequest,
  type CreateTokenResponse,
} from '../../wire/generated/sandboxrx/v1/tokens.js';
import {
  RunServiceDefinition,
  type AttachProcessRequest,
  type AttachProcessResponse,
  type SignalProcessRequest,
  type SignalProcessResponse,
  type StartProcessRequest,
  type StartProcessResponse,
  type WriteStdinRequest,
  type WriteStdinResponse,
} from '../../wire/generated/sandboxrx/v1/runs.js';
import {
  WatchServiceDefinition,
  type ListProcessesRequest,
  type ListProcessesResponse,
  type WatchProcessesRequest,
  type WatchProcessesResponse,
  type WatchSandboxesRequest,
  type WatchSandboxesResponse,
} from '../../wire/generated/sandboxrx/v1/watches.js';
import { mostlyOutput, rpcMethod, type RpcMethod } from './rpc-method.js';

const { methods: sandbox } = SandboxServiceDefinition;
const { methods: process } = ProcessServiceDefinition;
const { methods: run } = RunServiceDefinition;
const { methods: file } = FileServiceDefinition;
const { methods: watch } = WatchServiceDefinition;
const { methods: template } = SandboxTemplateServiceDefinition;
const { methods: discovery } = DiscoveryServiceDefinition;

export const createSandbox: RpcMethod<CreateSandboxRequest, Sandbox> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.createSandbox,
);
export const getSandbox: RpcMethod<GetSandboxRequest, Sandbox> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.getSandbox,
);
export const listSandboxes: RpcMethod<ListSandboxesRequest, ListSandboxesResponse> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.listSandboxes,
);
export const deleteSandbox: RpcMethod<DeleteSandboxRequest, DeleteSandboxResponse> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.deleteSandbox,
);
export const createSnapshot: RpcMethod<CreateFileSystemSnapshotRequest, FileSystemSnapshot> =
  rpcMethod(SandboxServiceDefinition, sandbox.createFileSystemSnapshot);
export const getSnapshot: RpcMethod<GetFileSystemSnapshotRequest, FileSystemSnapshot> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.getFileSystemSnapshot,
);
export const listSnapshots: RpcMethod<
  ListFileSystemSnapshotsRequest,
  ListFileSystemSnapshotsResponse
> = rpcMethod(SandboxServiceDefinition, sandbox.listFileSystemSnapshots);
export const deleteSnapshot: RpcMethod<DeleteFileSystemSnapshotRequest, FileSystemSnapshot> =
  rpcMethod(SandboxServiceDefinition, sandbox.deleteFileSystemSnapshot);
export const streamExec: RpcMethod<ExecStreamRequest, ExecStreamResponse> = mostlyOutput(
  rpcMethod(SandboxServiceDefinition, sandbox.streamExec),
);
export const streamLogs: RpcMethod<StreamLogsRequest, LogEntry> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.streamLogs,
);
export const readFile: RpcMethod<ReadFileRequest, ReadFileResponse> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.readFile,
);
export const writeFile: RpcMethod<WriteFileRequest, WriteFileResponse> = rpcMethod(
  SandboxServiceDefinition,
  sandbox.writeFile,
);
export const endProcess: RpcMethod<EndProcessRequest, EndProcessResponse> = rpcMethod(
  ProcessServiceDefinition,
  process.endProcess,
);
export const startProcess: RpcMethod<StartProcessRequest, StartProcessResponse> = rpcMethod(
  RunServiceDefinition,
  run.startProcess,
);
export const attachProcess: RpcMethod<AttachProcessRequest, AttachProcessResponse> = mostlyOutput(
  rpcMethod(RunServiceDefinition, run.attachProcess),
);
export const writeStdin: RpcMethod<WriteStdinRequest, WriteStdinResponse> = rpcMethod(
  RunServiceDefinition,
  run.writeStdin,
);
export const signalProcess: RpcMethod<SignalProcessRequest, SignalProcessResponse> = rpcMethod(
  RunServiceDefinition,
  run.signalProcess,
);
export const listFiles: RpcMethod<ListFilesRequest, ListFilesResponse> = rpcMethod(
  FileServiceDefinition,
  file.listFiles,
);
export const removeFile: RpcMethod<RemoveFileRequest, RemoveFileResponse> = rpcMethod(
  FileServiceDefinition,
  file.removeFile,
);
export const listProcesses: RpcMethod<ListProcessesRequest, ListProcessesResponse> = rpcMethod(
  WatchServiceDefinition,
  watch.listProcesses,
);
export const watchProcesses: RpcMethod<WatchProcessesRequest, WatchProcessesResponse> = rpcMethod(
  WatchServiceDefinition,
  watch.watchProcesses,
);
export const watchSandboxes: RpcMethod<WatchSandboxesRequest, WatchSandboxesResponse> = rpcMethod(
  WatchServiceDefinition,
  watch.watchSandboxes,
);
export const createSandboxFromTemplate: RpcMethod<CreateSandboxFromTemplateRequest, Sandbox> =
  rpcMethod(SandboxServiceDefinition, sandbox.createSandboxFromTemplate);
export const createSandboxTemplate: RpcMethod<CreateSandboxTemplateRequest, SandboxTemplate> =
  rpcMethod(SandboxTemplateServiceDefinition, template.createSandboxTemplate);
export const getSandboxTemplate: RpcMethod<GetSandboxTemplateRequest, SandboxTemplate> = rpcMethod(
  SandboxTemplateServiceDefinition,
  template.getSandboxTemplate,
);
export const listSandboxTemplates: RpcMethod<
  ListSandboxTemplatesRequest,
  ListSandboxTemplatesResponse
> = rpcMethod(SandboxTemplateServiceDefinition, template.listSandboxTemplates);
export const updateSandboxTemplate: RpcMethod<UpdateSandboxTemplateRequest, SandboxTemplate> =
  rpcMethod(SandboxTemplateServiceDefinition, template.updateSandboxTemplate);
export const deleteSandboxTemplate: RpcMethod<DeleteSandboxTemplateRequest, Empty> = rpcMethod(
  SandboxTemplateServiceDefinition,
  template.deleteSandboxTemplate,
);
export const listAvailableRunners: RpcMethod<
  ListAvailableRunnersRequest,
  ListAvailableRunnersResponse
> = rpcMethod(DiscoveryServiceDefinition, discovery.listAvailableRunners);
export const getAvailableRunner: RpcMethod<GetAvailableRunnerRequest, AvailableRunner> = rpcMethod(
  DiscoveryServiceDefinition,
  discovery.getAvailableRunner,
);
export const createToken: RpcMethod<CreateTokenRequest, CreateTokenResponse> = rpcMethod(
  TokenServiceDefinition,
  TokenServiceDefinition.methods.createToken,
);
