import { SandboxError } from '../process/errors/sandbox-error.js';
import {
  EndpointAuth,
  EndpointKind,
  ObjectStoragePermission,
  SandboxMode,
  SandboxSpec,
  ServiceProtocol,
  Visibility,
  type Container,
  type Service,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { GrpcCode } from '../wire/grpc-code.js';
import { Reason } from '../wire/reasons.js';
import { badField, checkEnum } from './bad-field.js';
import { checkedPath } from './checked-path.js';
import { runner } from './runner.js';

/** A spec is told whole, of many sandboxes at a time. The contents of its files, which are not, do not count. */
const maxSpecBytes = 4_194_304;

/** A spec without what is in its files: it is told to all who ask, and may be as large as a message. */
export function withoutContents(spec: SandboxSpec): SandboxSpec {
  const containers = spec.containers.map((container) => ({
    ...container,
    files: container.files.map(({ path }) => ({ path, content: new Uint8Array() })),
  }));
  return { ...spec, containers };
}

/** Refuses what no sandbox can be, whatever the host has. @throws SandboxValidationError */
export function checkSpecFields(spec: SandboxSpec): void {
  if (SandboxSpec.encode(withoutContents(spec)).finish().length > maxSpecBytes) {
    throw badField('sandbox.spec', `it is larger than ${maxSpecBytes} bytes without its files`);
  }
  const { containers, primaryContainer: primary, services, objectStorageAccess } = spec;
  containers.forEach(checkContainer);
  if (primary !== '' && !containers.some(({ name }) => name === primary)) {
    throw badField('sandbox.spec.primary_container', 'there is no container of that name');
  }
  services.forEach(checkService);
  if (new Set(services.map(({ port }) => port)).size < services.length) {
    throw badField('sandbox.spec.services', 'a port comes twice');
  }
  const { permission } = objectStorageAccess ?? { permission: 0 };
  checkEnum('sandbox.spec.object_storage_access.permission', permission, ObjectStoragePermission);
  checkPlacement(spec);
}

function checkContainer(
  { files, resources, resourceRequirements }: Container,
  index: number,
): void {
  const field = `sandbox.spec.containers[${index}]`;
  for (const [at, { path }] of files.entries()) checkedPath(`${field}.files[${at}].path`, path);
  if (resources !== undefined && resourceRequirements !== undefined) {
    throw badField(`${field}.resources`, 'give these or resource_requirements, not both');
  }
}

function checkService(
  { port, protocol, visibility, endpoint = { kind: 0, auth: 0 } }: Service,
  index: number,
): void {
  const field = `sandbox.spec.services[${index}]`;
  if (port < 1 || port > 65_535) throw badField(`${field}.port`, 'give 1 to 65535');
  checkEnum(`${field}.protocol`, protocol, ServiceProtocol);
  checkEnum(`${field}.visibility`, visibility, Visibility);
  checkEnum(`${field}.endpoint.kind`, endpoint.kind, EndpointKind);
  checkEnum(`${field}.endpoint.auth`, endpoint.auth, EndpointAuth);
}

/** Of the runners that may be asked for, at most so many. */
const maxRunners = 100;

function checkPlacement({ mode, runnerIds }: SandboxSpec): void {
  checkEnum('sandbox.spec.mode', mode, SandboxMode);
  if (runnerIds.length === 0) return;
  const field = 'sandbox.spec.runner_ids';
  if (mode !== SandboxMode.SANDBOX_MODE_CKS) throw badField(field, 'they go with the mode CKS');
  const isList = runnerIds.every((id) => id.trim() !== '') && runnerIds.length <= maxRunners;
  if (!isList || new Set(runnerIds).size < runnerIds.length) {
    throw badField(field, `give at most ${maxRunners}, each once, and none that is blank`);
  }
  if (!runnerIds.includes(runner.runnerId)) throw noSuchRunner();
}

function noSuchRunner(): SandboxError {
  const remote = { grpcCode: GrpcCode.UNAVAILABLE, reason: Reason.runnerUnavailable };
  const text = `none of the runners is there; this host has one, ${runner.runnerId}`;
  return new SandboxError('ERR_BACKEND_UNAVAILABLE', text, { remote, retryable: true });
}
