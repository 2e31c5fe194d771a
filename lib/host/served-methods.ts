import { concat, defer, ignoreElements, mergeMap, of, throwError, type Observable } from 'rxjs';
import { SandboxError } from '../process/errors/sandbox-error.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { DiscoveryServiceDefinition } from '../wire/generated/coreweave/sandbox/v1/discovery.js';
import { SandboxTemplateServiceDefinition } from '../wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import { SandboxServiceDefinition } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  FileServiceDefinition,
  ProcessServiceDefinition,
} from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { TokenServiceDefinition } from '../wire/generated/sandboxrx/v1/tokens.js';
import { RunServiceDefinition } from '../wire/generated/sandboxrx/v1/runs.js';
import { WatchServiceDefinition } from '../wire/generated/sandboxrx/v1/watches.js';
import type { CallContext } from './call.js';
import { DiscoveryService } from './discovery-service.js';
import { ExecService } from './exec-service.js';
import { ExecStream, readInput, type ExecStreams } from './exec-stream.js';
import { FileService } from './file-service.js';
import { LiveRuns } from './live-runs.js';
import { streamLogs } from './log-stream.js';
import { AttachStream } from './runs/attach-stream.js';
import { RunService, type RunServiceConfig } from './runs/run-service.js';
import { StdinStream } from './runs/stdin-stream.js';
import type { SandboxService } from './sandbox-service.js';
import { bidirectional, serverStreaming, unary, type ServedMethod } from './served-method.js';
import type { SnapshotService } from './snapshots/snapshot-service.js';
import type { TemplateService } from './template-service.js';
import type { TokenService } from './token-service.js';
import { WatchService } from './watches/watch-service.js';

/** Every call that a host answers. */
export function servedMethods(
  backend: SandboxBackend,
  {
    sandboxes,
    streamLimits,
    service,
    snapshots,
    templates,
    tokens,
    held,
    reconnectGraceMs,
  }: Pick<RunServiceConfig, 'sandboxes' | 'held' | 'reconnectGraceMs'> & {
    readonly streamLimits: Pick<ExecStreams, 'maxStdinBytes' | 'maxFrameBytes'>;
    readonly service: SandboxService;
    readonly snapshots: SnapshotService;
    readonly templates: TemplateService;
    readonly tokens: TokenService;
  },
): readonly ServedMethod[] {
  const runs = new LiveRuns();
  const streams = { backend, sandboxes, runs, ...streamLimits };
  const files = new FileService(backend, sandboxes);
  return [
    ...sandboxMethods(service, templates),
    ...snapshotMethods(snapshots),
    ...templateMethods(templates),
    ...execMethods(new ExecService(backend, sandboxes), streams),
    ...readAndWriteMethods(files),
    ...discoveryMethods(new DiscoveryService(backend, sandboxes)),
    ...processMethods(runs),
    ...runMethods(new RunService({ ...streams, held, reconnectGraceMs })),
    ...fileMethods(files),
    ...tokenMethods(tokens),
    ...watchMethods(new WatchService(backend, sandboxes)),
  ];
}

function sandboxMethods(
  service: SandboxService,
  templates: TemplateService,
): readonly ServedMethod[] {
  const definition = SandboxServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.createSandbox, (request, context) =>
      service.create(request, context),
    ),
    unary(definition, methods.getSandbox, (request) => service.get(request)),
    unary(definition, methods.listSandboxes, (request, context) => service.list(request, context)),
    unary(definition, methods.deleteSandbox, (request, context) =>
      service.delete(request, context),
    ),
    unary(definition, methods.purgeSandboxes, (request, context) =>
      service.purge(request, context),
    ),
    unary(definition, methods.createSandboxFromTemplate, (request, context) =>
      templates.resolve(request).pipe(mergeMap((resolved) => service.make(resolved, context))),
    ),
  ];
}

function snapshotMethods(service: SnapshotService): readonly ServedMethod[] {
  const definition = SandboxServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.createFileSystemSnapshot, (request, context) =>
      service.create(request, context),
    ),
    unary(definition, methods.getFileSystemSnapshot, (request, context) =>
      service.get(request, context),
    ),
    unary(definition, methods.listFileSystemSnapshots, (request, context) =>
      service.list(request, context),
    ),
    unary(definition, methods.deleteFileSystemSnapshot, (request, context) =>
      service.delete(request, context),
    ),
  ];
}

function execMethods(service: ExecService, streams: ExecStreams): readonly ServedMethod[] {
  const definition = SandboxServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.exec, (request) => service.exec(request)),
    bidirectional(definition, methods.streamExec, {
      answer: (stream) => new ExecStream(streams, stream),
      readParts: readInput,
    }),
    serverStreaming(definition, methods.streamLogs, (request, stream) => {
      streamLogs(streams.sandboxes, request, stream);
    }),
  ];
}

function readAndWriteMethods(service: FileService): readonly ServedMethod[] {
  const definition = SandboxServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.readFile, (request) => service.read(request)),
    unary(definition, methods.writeFile, (request) => service.write(request)),
  ];
}

function templateMethods(service: TemplateService): readonly ServedMethod[] {
  const definition = SandboxTemplateServiceDefinition;
  const { methods } = definition;
  return [
    unary(
      definition,
      methods.createSandboxTemplate,
      byAdmin((request, context) => service.create(request, context)),
    ),
    unary(definition, methods.getSandboxTemplate, (request, context) =>
      service.get(seenBy(context, request)),
    ),
    unary(definition, methods.listSandboxTemplates, (request, context) =>
      service.list(seenBy(context, request)),
    ),
    unary(
      definition,
      methods.updateSandboxTemplate,
      byAdmin((request) => service.update(request)),
    ),
    unary(
      definition,
      methods.deleteSandboxTemplate,
      byAdmin((request) => service.delete(request)),
    ),
  ];
}

/** A call that only admins may make. */
function byAdmin<Request, Response>(
  answer: (request: Request, context: CallContext) => Observable<Response>,
): (request: Request, context: CallContext) => Observable<Response> {
  const text = 'this call needs a token of an admin';
  return (request, context) =>
    context.isAdmin
      ? answer(request, context)
      : throwError(() => new SandboxError('ERR_PERMISSION', text));
}

/** To all but admins, what was deleted is not there. */
function seenBy<Request extends { readonly showDeleted: boolean }>(
  { isAdmin }: CallContext,
  request: Request,
): Request {
  return { ...request, showDeleted: request.showDeleted && isAdmin };
}

function discoveryMethods(service: DiscoveryService): readonly ServedMethod[] {
  const definition = DiscoveryServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.listAvailableRunners, (request) => service.list(request)),
    unary(definition, methods.getAvailableRunner, (request) => service.get(request)),
  ];
}

function processMethods(runs: LiveRuns): readonly ServedMethod[] {
  const definition = ProcessServiceDefinition;
  return [
    unary(definition, definition.methods.endProcess, ({ sandboxId, runId }) =>
      concat(defer(() => runs.end(sandboxId, runId)).pipe(ignoreElements()), of({})),
    ),
  ];
}

function runMethods(service: RunService): readonly ServedMethod[] {
  const definition = RunServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.startProcess, (request, context) => service.start(request, context)),
    unary(definition, methods.signalProcess, (request) => service.signal(request)),
    bidirectional(definition, methods.attachProcess, {
      answer: (stream) => new AttachStream(service, stream),
    }),
    bidirectional(definition, methods.writeStdin, {
      answer: (stream) => new StdinStream(service, stream),
    }),
  ];
}

function fileMethods(service: FileService): readonly ServedMethod[] {
  const definition = FileServiceDefinition;
  const { methods } = definition;
  return [
    unary(definition, methods.listFiles, (request) => service.list(request)),
    unary(definition, methods.removeFile, (request) => service.remove(request)),
  ];
}

function tokenMethods(service: TokenService): readonly ServedMethod[] {
  const definition = TokenServiceDefinition;
  return [
    unary(definition, definition.methods.createToken, (request, context) =>
      service.create(request, context),
    ),
  ];
}

function watchMethods(service: WatchService): readonly ServedMethod[] {
  const definition = WatchServiceDefinition;
  const { methods } = definition;
  return [
    serverStreaming(definition, methods.listProcesses, (request, stream) => {
      service.listProcesses(request, stream);
    }),
    serverStreaming(definition, methods.watchProcesses, (request, stream) => {
      service.watchProcesses(request, stream);
    }),
    serverStreaming(definition, methods.watchSandboxes, (request, stream) => {
      service.watchSandboxes(request, stream);
    }),
  ];
}
