import type { SandboxLimits, SandboxSpec } from '../sandbox/sandbox-spec.js';
import {
  Container,
  CreateSandboxRequest,
  NetworkOptions,
  type PartialSandboxSpec,
  SandboxSpec as SandboxSpecMessage,
} from './generated/coreweave/sandbox/v1/sandbox.js';
import { SandboxOptions } from './generated/sandboxrx/v1/sandboxrx.js';
import { serviceMessagesOf, servicesOf } from './services.js';
import { volumeMessagesOf, volumesOf } from './volumes.js';

/** The name of the one container that a sandbox of ours has. */
const mainContainer = 'main';

/** What keeps a container alive that shall have no main command. */
const keepAlive = ['/bin/sh', '-c', 'trap "exit 0" TERM INT; sleep infinity & wait'] as const;

/** What a sandbox is asked for by, on the wire. */
export interface SandboxRequest {
  readonly request: CreateSandboxRequest;
  /** What the request itself cannot say. */
  readonly options: SandboxOptions;
  /** Whether `options` say something without which the sandbox would not be what was asked for. */
  readonly needsOptions: boolean;
}

/** A spec as coreweave.sandbox.v1 takes it. */
export function sandboxRequestOf(
  spec: SandboxSpec,
  { image, requestId }: { readonly image: string; readonly requestId: string },
): SandboxRequest {
  const options = optionsOf(spec);
  const { id, limits: { processes, openFiles, cpuSeconds, homeBytes } = {} } = spec;
  return {
    request: CreateSandboxRequest.fromPartial({
      requestId,
      sandbox: { spec: specMessageOf(spec, image) },
    }),
    options,
    needsOptions: [id, processes, openFiles, cpuSeconds, homeBytes].some(
      (value) => value !== undefined,
    ),
  };
}

/** What a sandbox shall be, as coreweave.sandbox.v1 says it. */
export function specMessageOf(spec: SandboxSpec, image: string): SandboxSpecMessage {
  const { env = {}, cwd = '', tags = [], lifetimeMs = 0, limits: { memoryBytes } = {} } = spec;
  const [command = '', ...args] = spec.command ?? keepAlive;
  const { volumes, volumeMounts } = volumeMessagesOf(spec);
  return SandboxSpecMessage.fromPartial({
    containers: [
      Container.fromPartial({
        ...{ name: mainContainer, image, command, args },
        environmentVariables: { ...env },
        ...{ workingDir: cwd, volumeMounts },
        ...(memoryBytes !== undefined && {
          resourceRequirements: { limits: { memory: String(memoryBytes) } },
        }),
      }),
    ],
    ...{ primaryContainer: mainContainer, volumes, services: serviceMessagesOf(spec) },
    tags: [...tags],
    maxLifetimeSeconds: Math.ceil(lifetimeMs / 1000),
    network: networkOf(spec),
  });
}

function networkOf({ network }: SandboxSpec): NetworkOptions | undefined {
  if (network === undefined) return undefined;
  return network === 'none'
    ? NetworkOptions.fromPartial({ denyEgress: true })
    : NetworkOptions.fromPartial({ egress: [{ destination: { $case: 'any', value: true } }] });
}

function optionsOf({ id = '', lifetimeMs = 0, limits = {}, command }: SandboxSpec): SandboxOptions {
  return {
    sandboxId: id,
    lifetimeMs: BigInt(lifetimeMs),
    memoryBytes: BigInt(limits.memoryBytes ?? 0),
    processes: BigInt(limits.processes ?? 0),
    openFiles: BigInt(limits.openFiles ?? 0),
    cpuSeconds: BigInt(limits.cpuSeconds ?? 0),
    homeBytes: BigInt(limits.homeBytes ?? 0),
    noMainCommand: command === undefined,
  };
}

/**
 * The spec that a request asks for, as a backend takes it. Its fields are still to be checked.
 *
 * @throws SandboxValidationError or UnsupportedError for volumes and services that cannot be had
 */
export function specOf(
  message: SandboxSpecMessage,
  options: SandboxOptions = SandboxOptions.create(),
): SandboxSpec {
  const { containers, tags, maxLifetimeSeconds, network } = message;
  const container = containers[0] ?? Container.create();
  const { command, args, environmentVariables: env, workingDir: cwd } = container;
  const { sandboxId: id, lifetimeMs, noMainCommand } = options;
  const hasCommand = !noMainCommand && command !== '';
  const wantedMs = lifetimeMs === 0n ? maxLifetimeSeconds * 1000 : Number(lifetimeMs);
  return {
    env,
    tags,
    ...(id !== '' && { id }),
    ...(hasCommand && { command: [command, ...args] }),
    ...(cwd !== '' && { cwd }),
    ...(wantedMs > 0 && { lifetimeMs: wantedMs }),
    ...networkSpecOf(network),
    ...volumesOf(message),
    ...servicesOf(message),
    ...limitsOf(options),
  };
}

/** What a template says of its sandboxes. A command that only keeps a sandbox alive is none. */
export function specOfPartial(message: PartialSandboxSpec): SandboxSpec {
  const { command = [], ...spec } = specOf(SandboxSpecMessage.fromPartial(message));
  const isKept = command.join('\0') === keepAlive.join('\0');
  return { ...spec, ...(command.length > 0 && !isKept && { command }) };
}

function networkSpecOf(network: NetworkOptions | undefined): Pick<SandboxSpec, 'network'> {
  if (network?.denyEgress === true) return { network: 'none' };
  const isOpen = network?.egress.some(({ destination }) => destination?.$case === 'any') === true;
  return isOpen ? { network: 'host' } : {};
}

const limitNames = ['memoryBytes', 'processes', 'openFiles', 'cpuSeconds', 'homeBytes'] as const;

function limitsOf(options: SandboxOptions): Pick<SandboxSpec, 'limits'> {
  const limits: { -readonly [Name in keyof SandboxLimits]: number } = {};
  for (const name of limitNames) if (options[name] > 0n) limits[name] = Number(options[name]);
  return Object.keys(limits).length === 0 ? {} : { limits };
}
