import { SandboxError } from '../../process/errors/sandbox-error.js';

/** What a token is for that the host made for a while. */
export interface Scope {
  /** What its bearer is called in the log. */
  readonly name: string;
  /** It may look, and change nothing. */
  readonly readOnly: boolean;
  /** The only sandbox that it reaches. */
  readonly sandboxId: string | undefined;
  /** Calls that begin then or later are refused. In milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** Who may have a token with a scope; without one, nothing here is refused. */
export interface Scoped {
  readonly scope: Scope | undefined;
}

/**
 * What a call does, and how a token for one sandbox is kept to it: `sandbox`: the request has to name it; `seen`: the
 * service tells of it alone, by {@link sees}; `host`: it is about more than one, and refused.
 */
type Access = `${'reads' | 'writes'} ${'sandbox' | 'seen' | 'host'}` | 'refused';

/** A call that is not here is refused to every token with a scope. */
const accesses: Readonly<Record<string, Readonly<Record<string, Access>>>> = {
  'coreweave.sandbox.v1.SandboxService': {
    CreateSandbox: 'writes host',
    CreateSandboxFromTemplate: 'writes host',
    PurgeSandboxes: 'writes host',
    GetSandbox: 'reads sandbox',
    ListSandboxes: 'reads seen',
    DeleteSandbox: 'writes sandbox',
    Exec: 'writes sandbox',
    StreamExec: 'writes sandbox',
    StreamLogs: 'reads sandbox',
    ReadFile: 'reads sandbox',
    WriteFile: 'writes sandbox',
    CreateFileSystemSnapshot: 'writes sandbox',
    GetFileSystemSnapshot: 'reads seen',
    ListFileSystemSnapshots: 'reads seen',
    DeleteFileSystemSnapshot: 'writes seen',
  },
  'coreweave.sandbox.v1.SandboxTemplateService': {
    CreateSandboxTemplate: 'writes host',
    GetSandboxTemplate: 'reads host',
    ListSandboxTemplates: 'reads host',
    UpdateSandboxTemplate: 'writes host',
    DeleteSandboxTemplate: 'writes host',
  },
  'coreweave.sandbox.v1.DiscoveryService': {
    ListAvailableRunners: 'reads host',
    GetAvailableRunner: 'reads host',
  },
  'sandboxrx.v1.ProcessService': { EndProcess: 'writes sandbox' },
  'sandboxrx.v1.RunService': {
    StartProcess: 'writes sandbox',
    AttachProcess: 'reads sandbox',
    WriteStdin: 'writes sandbox',
    SignalProcess: 'writes sandbox',
  },
  'sandboxrx.v1.WatchService': {
    ListProcesses: 'reads sandbox',
    WatchProcesses: 'reads sandbox',
    WatchSandboxes: 'reads seen',
  },
  'sandboxrx.v1.FileService': { ListFiles: 'reads sandbox', RemoveFile: 'writes sandbox' },
  // Else a token could be kept alive for ever.
  'sandboxrx.v1.TokenService': { CreateToken: 'refused' },
  // Tells what calls there are, and of no sandbox.
  'grpc.reflection.v1.ServerReflection': { ServerReflectionInfo: 'reads seen' },
  'grpc.reflection.v1alpha.ServerReflection': { ServerReflectionInfo: 'reads seen' },
};

/** The same by path. A Map, as is all that a caller's words are looked up in: an object has `toString` too. */
const accessOf: ReadonlyMap<string, Access> = new Map(
  Object.entries(accesses).flatMap(([service, methods]) =>
    Object.entries(methods).map(([method, access]) => [`/${service}/${method}`, access] as const),
  ),
);

/** Refuses a call before anything of its request is known. @throws SandboxError with code `ERR_PERMISSION` */
export function checkMethod({ scope }: Scoped, path: string): void {
  if (scope === undefined) return;
  const access = accessOf.get(path) ?? 'refused';
  const isAllowed =
    access !== 'refused' &&
    !(scope.readOnly && access.startsWith('writes')) &&
    !(scope.sandboxId !== undefined && access.endsWith('host'));
  if (!isAllowed) throw outOfScope(scope, path);
}

/**
 * What each request of a call has to pass, first to last: the first one names the sandbox, no later one names another, and
 * none writes on a stream that is there to read.
 *
 * @throws SandboxError with code `ERR_PERMISSION`
 */
export function requestCheck({ scope }: Scoped, path: string): (request: unknown) => void {
  if (scope === undefined) return () => undefined;
  const { readOnly, sandboxId } = scope;
  const isBound = sandboxId !== undefined && accessOf.get(path)?.endsWith('sandbox');
  let isNamed = !isBound;
  return (request) => {
    const named = sandboxOf(request);
    isNamed ||= named !== undefined;
    const isElsewhere = isBound && named !== undefined && named !== sandboxId;
    if (!isNamed || isElsewhere || (readOnly && isWrite(request))) throw outOfScope(scope, path);
  };
}

/** Whether a caller may know of a sandbox. */
export function sees({ scope }: Scoped, sandboxId: string): boolean {
  return scope?.sandboxId === undefined || scope.sandboxId === sandboxId;
}

/** The same for all tokens that may do the same, whenever they expire. */
export function reachOf({ scope }: Scoped): string | undefined {
  return scope && JSON.stringify([scope.readOnly, scope.sandboxId]);
}

/** The sandbox that a request names: itself, in how a run begins, or in one kind of the messages of a stream. */
function sandboxOf(request: unknown): string | undefined {
  if (!isRecord(request)) return undefined;
  if (typeof request['sandboxId'] === 'string') return request['sandboxId'];
  const { message } = request;
  return sandboxOf(isRecord(message) ? message['value'] : request['init']);
}

/** What is sent on streams by who looks. The rest, such as the size of a run's terminal, changes something. */
const looking: ReadonlySet<unknown> = new Set(['open', 'received', undefined]);

function isWrite(request: unknown): boolean {
  const message = isRecord(request) ? request['message'] : undefined;
  return isRecord(message) && !looking.has(message['$case']);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function outOfScope({ readOnly, sandboxId }: Scope, path: string): SandboxError {
  const what = readOnly ? 'look, and change nothing' : 'look and change things, and make no tokens';
  const where = sandboxId === undefined ? '' : `, in sandbox ${sandboxId} alone`;
  const text = `${path.slice(path.lastIndexOf('/') + 1)} is not for this token, which may ${what}${where}`;
  return new SandboxError('ERR_PERMISSION', text);
}
