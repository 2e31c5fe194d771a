import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import { badRequest, refusalOf, Remote, type BareClient } from '../support/remote.js';
import {
  CreateSandboxRequest,
  ExecRequest,
  type LogEntry,
  type SandboxSpec,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { SandboxOptions } from '../../lib/wire/generated/sandboxrx/v1/sandboxrx.js';
import { memory } from './harness.js';

const most = 2 ** 31 - 1;
const least = -(2 ** 31);

let remote: Remote;
let client: BareClient;
let sandboxId: string;
let templateId: string;

beforeAll(async () => {
  remote = new Remote();
  const url = await remote.host(memory());
  client = remote.bare(url);
  sandboxId = (await remote.client(url).create()).id;
  templateId = await idOf('createSandboxTemplate', { sandboxTemplate: { displayName: 'one' } });
});

afterAll(() => remote.close());

// Whatever it was given, it goes on.
afterEach(async () => {
  expect(await call('exec', { sandboxId, command: ['echoBoth'] })).toMatchObject({ code: 0 });
});

/** A call with fields of its request; what is not given is as if it were not sent. */
async function call(name: string, fields: object, metadata?: Metadata) {
  return client.unary(name, client.encoded(name, fields), metadata);
}

async function idOf(name: string, fields: object): Promise<string> {
  const [made] = (await call(name, fields)).messages as { readonly sandboxTemplateId: string }[];
  return made?.sandboxTemplateId ?? '';
}

type Spec = Parameters<typeof SandboxSpec.fromPartial>[0];

/** The fields of a CreateSandbox. */
function creation(spec: Spec = {}, requestId = ''): object {
  const whole = { containers: [{ name: 'main', image: 'any' }], ...spec };
  return CreateSandboxRequest.fromPartial({ requestId, sandbox: { spec: whole } });
}

const container = (more: NonNullable<Spec['containers']>[number]) =>
  creation({ containers: [{ name: 'main', image: 'any', ...more }] });

const service = (more: NonNullable<Spec['services']>[number]) =>
  creation({ services: [{ port: 80, ...more }] });

/** As an enum of a later version of the API, or one that is none, comes. */
const unknown = (value: number): never => value as never;

const inSpec = (field: string) => `sandbox.spec.${field}`;

describe('a host refuses, and names the field: ', () => {
  it.each<[string, string, () => object]>([
    ['listSandboxes', 'page_size', () => ({ pageSize: -1 })],
    ['listSandboxes', 'page_size', () => ({ pageSize: least })],
    ['listSandboxes', 'page_token', () => ({ pageToken: 'two' })],
    ['listSandboxes', 'page_token', () => ({ pageToken: '-1' })],
    ['listSandboxes', 'page_token', () => ({ pageToken: '1\0' })],
    ['listSandboxes', 'state', () => ({ state: unknown(99) })],
    ['listSandboxes', 'state', () => ({ state: unknown(-1) })],
    ['listSandboxTemplates', 'page_size', () => ({ pageSize: -1 })],
    ['listSandboxTemplates', 'page_token', () => ({ pageToken: '1e3' })],
    ['listAvailableRunners', 'page_size', () => ({ pageSize: -1 })],
    ['listAvailableRunners', 'page_token', () => ({ pageToken: ' ' })],
    ['listAvailableRunners', 'view', () => ({ view: unknown(3) })],
    ['listAvailableRunners', 'service_visibility', () => ({ serviceVisibility: unknown(-1) })],
    ['getAvailableRunner', 'view', () => ({ runnerId: 'local', view: unknown(3) })],
    ['deleteSandbox', 'grace_period_seconds', () => ({ sandboxId, gracePeriodSeconds: -1 })],
    ['purgeSandboxes', 'tags', () => ({})],
    ['purgeSandboxes', 'tags', () => ({ tags: ['a'], purgeAll: true })],
    ['exec', 'command', () => ({ sandboxId })],
    ['exec', 'command', () => ({ sandboxId, command: ['a', '\0'] })],
    ['exec', 'env', () => ({ sandboxId, command: ['a'], env: { 'A\0': '' } })],
    ['exec', 'env', () => ({ sandboxId, command: ['a'], env: { '': '' } })],
    ['exec', 'max_output_bytes', () => ({ sandboxId, command: ['a'], maxOutputBytes: least })],
    ['exec', 'container', () => ({ sandboxId, command: ['a'], container: 'other' })],
    ['exec', 'container', () => ({ sandboxId, command: ['a'], container: 'x'.repeat(1_048_576) })],
    ['readFile', 'path', () => ({ sandboxId })],
    ['readFile', 'path', () => ({ sandboxId, path: 'a\0b' })],
    ['readFile', 'path', () => ({ sandboxId, path: `/${'ü'.repeat(524_288)}` })],
    ['readFile', 'container', () => ({ sandboxId, path: 'a', container: 'main\0' })],
    ['writeFile', 'path', () => ({ sandboxId })],
    ['writeFile', 'path', () => ({ sandboxId, path: '\0' })],
    ['listFiles', 'path', () => ({ sandboxId, path: '/\0' })],
    ['removeFile', 'path', () => ({ sandboxId, recursive: true })],
    ['createSandboxTemplate', 'sandbox_template.display_name', () => ({})],
    [
      'createSandboxTemplate',
      'sandbox_template.display_name',
      () => ({ sandboxTemplate: { displayName: 'a\0' } }),
    ],
    [
      'createSandboxTemplate',
      'sandbox_template.display_name',
      () => ({ sandboxTemplate: { displayName: 'x'.repeat(129) } }),
    ],
    [
      'createSandboxTemplate',
      'sandbox_template.display_name',
      () => ({ sandboxTemplate: { displayName: templateId } }),
    ],
    [
      'updateSandboxTemplate',
      'update_mask',
      () => ({ sandboxTemplateId: 'one', updateMask: ['spec.tags'] }),
    ],
    [
      'updateSandboxTemplate',
      'sandbox_template.display_name',
      () => ({ sandboxTemplateId: 'one' }),
    ],
  ])('%s with a wrong %s', async (name, field, fields) => {
    expect(refusalOf(await call(name, fields()))).toEqual(badRequest(field));
  });

  it.each<[string, () => object]>([
    [inSpec('containers'), () => creation({ containers: [] })],
    [inSpec('containers'), () => ({})],
    [inSpec('primary_container'), () => creation({ primaryContainer: 'other' })],
    [inSpec('max_lifetime_seconds'), () => creation({ maxLifetimeSeconds: -1 })],
    [inSpec('max_lifetime_seconds'), () => creation({ maxLifetimeSeconds: 2_592_001 })],
    [inSpec('max_lifetime_seconds'), () => creation({ maxLifetimeSeconds: most })],
    [inSpec('mode'), () => creation({ mode: unknown(3) })],
    [inSpec('runner_ids'), () => creation({ runnerIds: ['local'] })],
    [inSpec('runner_ids'), () => creation({ mode: 2, runnerIds: ['local', ' '] })],
    [inSpec('runner_ids'), () => creation({ mode: 2, runnerIds: ['local', 'local'] })],
    [inSpec('services[0].port'), () => service({ port: 0 })],
    [inSpec('services[0].port'), () => service({ port: -1 })],
    [inSpec('services[0].port'), () => service({ port: 65_536 })],
    [inSpec('services[0].protocol'), () => service({ protocol: unknown(4) })],
    [inSpec('services[0].visibility'), () => service({ visibility: unknown(4) })],
    [inSpec('services[0].endpoint.kind'), () => service({ endpoint: { kind: unknown(3) } })],
    [inSpec('services[0].endpoint.auth'), () => service({ endpoint: { auth: unknown(3) } })],
    [inSpec('services'), () => creation({ services: [{ port: 80 }, { port: 80 }] })],
    [
      inSpec('object_storage_access.permission'),
      () => creation({ objectStorageAccess: { permission: unknown(9) } }),
    ],
    [inSpec('network'), () => creation({ network: { denyEgress: true, egress: [{}] } })],
    [
      inSpec('containers[0].resources'),
      () => container({ resources: {}, resourceRequirements: {} }),
    ],
    [inSpec('containers[0].files[0].path'), () => container({ files: [{ path: '' }] })],
    [inSpec('containers[0].files[0].path'), () => container({ files: [{ path: '/\0' }] })],
    [
      inSpec('containers[0].files[0].path'),
      () => container({ files: [{ path: '/x'.repeat(2048) }] }),
    ],
    ['sandbox.spec', () => container({ command: 'a\0' })],
    ['sandbox.spec', () => container({ command: 'a', args: ['\0'] })],
    ['sandbox.spec', () => container({ workingDir: '/\0' })],
    ['sandbox.spec', () => container({ environmentVariables: { A: '\0' } })],
    ['sandbox.spec', () => container({ environmentVariables: { 'A=B': '' } })],
    ['sandbox.spec', () => creation({ tags: ['a\0b'] })],
    ['sandbox.spec', () => creation({ tags: ['x'.repeat(4_194_304)] })],
    ['request_id', () => creation({}, '\0')],
    ['request_id', () => creation({}, 'ü'.repeat(65))],
  ])('createSandbox with a wrong %s', async (field, fields) => {
    expect(refusalOf(await call('createSandbox', fields()))).toEqual(badRequest(field));
  });

  it('createSandboxFromTemplate with an override that cannot be', async () => {
    const overrides = { containers: [{ name: 'main' }], maxLifetimeSeconds: -1 };
    const answer = await call('createSandboxFromTemplate', { templateId: 'one', overrides });
    expect(refusalOf(answer)).toEqual(badRequest(inSpec('max_lifetime_seconds')));
  });

  it.each<[string, string, Uint8Array | Parameters<typeof SandboxOptions.fromPartial>[0]]>([
    ['bytes that are no message', 'sandboxrx-sandbox-bin', Uint8Array.of(0xff, 0xff)],
    ['an id with a slash', 'sandbox.spec', { sandboxId: '../x' }],
    ['an id too long', 'sandbox.spec', { sandboxId: 'x'.repeat(129) }],
    ['a lifetime beyond all timers', 'sandbox.spec', { lifetimeMs: 2n ** 64n - 1n }],
    ['less memory than anything needs', 'sandbox.spec', { memoryBytes: 1n }],
    ['more processes than there can be', 'sandbox.spec', { processes: 2n ** 63n }],
    ['more files than there can be', 'sandbox.spec', { openFiles: 2n ** 32n }],
    ['more seconds than are counted', 'sandbox.spec', { cpuSeconds: 2n ** 64n - 1n }],
    ['too small a home', 'sandbox.spec', { homeBytes: 1n }],
  ])('createSandbox with options of ours that have %s', async (_, field, options) => {
    const bytes =
      options instanceof Uint8Array
        ? options
        : SandboxOptions.encode(SandboxOptions.fromPartial(options)).finish();
    const metadata = new Metadata();
    metadata.set('sandboxrx-sandbox-bin', Buffer.from(bytes));
    const answer = await call('createSandbox', creation(), metadata);
    expect(refusalOf(answer)).toEqual(badRequest(field));
  });
});

describe('a host, asked for logs,', () => {
  /** A StreamLogs of a sandbox whose main command has written two lines. */
  async function logs(fields: object) {
    const id = await logged();
    const request = client.encoded('streamLogs', { sandboxId: id, ...fields });
    return client.streamed('streamLogs', [request]);
  }

  async function logged(): Promise<string> {
    const fields = creation({ containers: [{ name: 'main', command: 'echoBoth' }] }, 'logged');
    const { messages } = await call('createSandbox', fields);
    const { sandboxId: id } = messages[0] as { sandboxId: string };
    await client.streamed('streamLogs', [
      client.encoded('streamLogs', { sandboxId: id, follow: true }),
    ]);
    return id;
  }

  it.each<[string, object]>([
    ['tail_lines', { tailLines: -1 }],
    ['tail_lines', { tailLines: least }],
    ['since_time', { sinceTime: { seconds: 2n ** 62n } }],
    ['since_time', { sinceTime: { seconds: -(2n ** 63n) } }],
    ['since_time', { sinceTime: { nanos: -1 } }],
    ['since_time', { sinceTime: { nanos: most } }],
    ['container', { container: 'other' }],
    ['resume_log_session_id', { resumeLogSessionId: 'x' }],
    ['resume_log_session_id', { resumeLogSessionId: 'x', follow: true, tailLines: 1 }],
    ['resume_log_session_id', { resumeLogSessionId: 'x', follow: true, timestamps: true }],
  ])('refuses a wrong %s: %j', async (field, fields) => {
    expect(refusalOf(await logs(fields))).toEqual(badRequest(field));
  });

  it.each([false, true])(
    'ends a session whose offset cannot be, timestamps: %s',
    async (stamped) => {
      const { messages } = await logs({ timestamps: stamped });
      const { logSessionId } = messages[0] as LogEntry;
      const resume = { follow: true, resumeLogSessionId: logSessionId };
      const beyond = { messages: [{ error: { code: 'INVALID_RESUME_OFFSET' } }] };
      for (const resumeLogOffset of [1000n, 2n ** 64n - 1n])
        expect(await logs({ ...resume, resumeLogOffset })).toMatchObject(beyond);
      const unknownSession = { messages: [{ error: { code: 'SESSION_NOT_FOUND' } }] };
      for (const resumeLogSessionId of ['x', 'x.t.0', `${logSessionId}x`, '\0'.repeat(100_000)])
        expect(await logs({ follow: true, resumeLogSessionId })).toMatchObject(unknownSession);
    },
  );
});

describe('a host says what there is not:', () => {
  const ids = ['', '../x', 'a\0b', 'x'.repeat(1_048_576), '\ufeff'];
  const sandboxCalls = ['getSandbox', 'deleteSandbox', 'exec', 'readFile', 'listFiles'];

  it.each(sandboxCalls)('no sandbox of such an id: %s', async (name) => {
    for (const id of ids) {
      const answer = refusalOf(await call(name, { sandboxId: id, command: ['a'], path: 'a' }));
      expect(answer).toMatchObject({ code: 5, reason: 'CWSANDBOX_SANDBOX_NOT_FOUND' });
    }
  });

  it('no template of such an id', async () => {
    for (const id of ids) {
      const absent = { code: 5, reason: 'CWSANDBOX_TEMPLATE_NOT_FOUND', domain: 'cwsandbox.com' };
      const get = await call('getSandboxTemplate', { sandboxTemplateId: id });
      expect(refusalOf(get)).toMatchObject(absent);
      const create = await call('createSandboxFromTemplate', { templateId: id });
      expect(refusalOf(create)).toMatchObject(absent);
    }
  });

  it('no runner of such an id', async () => {
    const answer = await call('getAvailableRunner', { runnerId: 'other' });
    expect(refusalOf(answer)).toMatchObject({ code: 5, reason: 'CWSANDBOX_RUNNER_NOT_FOUND' });
    const pinned = await call('createSandbox', creation({ mode: 2, runnerIds: ['other'] }));
    const unavailable = { code: 14, reason: 'CWSANDBOX_RUNNER_UNAVAILABLE', fields: [] };
    expect(refusalOf(pinned)).toMatchObject(unavailable);
  });

  it('nothing behind the last page', async () => {
    const answer = await call('listSandboxes', { pageToken: '9'.repeat(1000) });
    expect(answer).toMatchObject({ code: 0, messages: [{ sandboxes: [], nextPageToken: '' }] });
  });
});

describe('a host takes what is large but can be:', () => {
  it('the largest page, and more output than there is', async () => {
    expect(await call('listSandboxes', { pageSize: most })).toMatchObject({ code: 0 });
    const run = { sandboxId, command: ['echoBoth'], maxOutputBytes: most };
    expect(await call('exec', run)).toMatchObject({
      code: 0,
      messages: [{ stdoutTruncated: false }],
    });
  });

  it('the longest grace', async () => {
    const made = await call('createSandbox', creation());
    const [{ sandboxId: id } = { sandboxId: '' }] = made.messages as { sandboxId: string }[];
    const end = { sandboxId: id, gracePeriodSeconds: most };
    expect(await call('deleteSandbox', end)).toMatchObject({ code: 0 });
  });

  it('the longest request id', async () => {
    const fields = creation({}, 'x'.repeat(128));
    const [first, again] = [
      await call('createSandbox', fields),
      await call('createSandbox', fields),
    ];
    expect(first).toMatchObject({ code: 0 });
    const { sandboxId: id } = first.messages[0] as { sandboxId: string };
    expect(again.messages[0]).toMatchObject({ sandboxId: id });
  });

  it('fields that only a host sets, and passes them over', async () => {
    const forged = { ...CreateSandboxRequest.fromPartial(creation()) };
    const sandbox = { ...forged.sandbox, sourceTemplateId: 'forged', sandboxId: 'forged' };
    const { messages } = await call('createSandbox', { ...forged, sandbox });
    expect(messages[0]).toMatchObject({ sourceTemplateId: '' });
    expect(messages[0]).not.toMatchObject({ sandboxId: 'forged' });
  });

  it('a megabyte of arguments, each of which is small', async () => {
    const command = ['echoBoth', ...Array.from({ length: 65_536 }, () => 'fifteen-letters')];
    const request = ExecRequest.fromPartial({ sandboxId, command });
    expect(await call('exec', request)).toMatchObject({ code: 0 });
  });
});
