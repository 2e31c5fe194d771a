import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { pipeProcesses, SandboxClient, type PipelineStage, type Sandbox } from 'sandbox-rx';
import { localBackend, websocketBackend } from 'sandbox-rx/node';
import { elapsed, eventually } from '../contract/kit.js';
import { isolationForTests } from '../support/isolation.js';
import { Remote } from '../support/remote.js';

const count = 1_000_000;

function checksum(): string {
  const hash = createHash('sha256');
  for (let n = 1; n <= count; n++) hash.update(`${n}\n`);
  return `${hash.digest('hex')}  -\n`;
}

describe('pipelines of real processes', () => {
  const remote = new Remote();
  const sandboxes: Map<string, Sandbox> = new Map();

  beforeAll(async () => {
    const plain = localBackend({ isolation: 'none' });
    const url = await remote.host(plain);
    const backends = {
      plain,
      isolated: localBackend({ isolation: isolationForTests() }),
      grpc: remote.backend(url),
      tunnel: remote.add(websocketBackend({ url }), (backend) => {
        backend.close();
      }),
    };
    for (const [name, backend] of Object.entries(backends)) {
      const sandbox = await new SandboxClient(backend).create();
      sandboxes.set(
        name,
        remote.add(sandbox, () => sandbox.delete()),
      );
    }
  });

  afterAll(() => remote.close());

  /** Commands, each with the name of where it runs. */
  function stages(...all: readonly (readonly [string, readonly string[]])[]): [PipelineStage] {
    const found = all.map(([where, command]): PipelineStage => {
      const sandbox = sandboxes.get(where);
      if (sandbox === undefined) throw new Error(`there is no sandbox ${where}`);
      return { sandbox, command };
    });
    return found as [PipelineStage];
  }

  it.each([
    [['plain', 'plain', 'plain']],
    [['isolated', 'isolated', 'isolated']],
    [['grpc', 'grpc', 'grpc']],
    [['tunnel', 'tunnel', 'tunnel']],
    [['plain', 'tunnel', 'isolated']],
  ])(
    'carry millions of bytes unharmed through %p',
    async ([first = '', second = '', third = '']) => {
      const { stdout, returncode } = await pipeProcesses(
        ...stages([first, ['seq', '1', String(count)]], [second, ['cat']], [third, ['sha256sum']]),
      ).exec();
      expect(returncode).toBe(0);
      expect(stdout).toBe(checksum());
    },
  );

  it.each(['plain', 'isolated', 'grpc', 'tunnel'])(
    'end one that writes for ever when the one behind it has ended (%s)',
    async (where) => {
      const { stdout, stages: statuses } = await pipeProcesses(
        ...stages([where, ['yes']], [where, ['cat']], [where, ['head', '-n', '2']]),
      ).exec();
      expect(stdout).toBe('y\ny\n');
      expect(statuses?.map(({ returncode, signal }) => [returncode, signal])).toEqual([
        [141, 'SIGPIPE'],
        [141, 'SIGPIPE'],
        [0, undefined],
      ]);
    },
  );

  it('end one that takes no notice of SIGPIPE, with all that it has started', async () => {
    const stubborn = 'trap "" PIPE; while :; do echo y; done 2>/dev/null';
    const { stdout, stages: statuses } = await pipeProcesses(
      ...stages(['plain', ['sh', '-c', stubborn]], ['plain', ['head', '-n', '1']]),
    ).exec();
    expect(stdout).toBe('y\n');
    expect(statuses?.map(({ returncode }) => returncode)).toEqual([null, 0]);
  });

  it('wait for their reader: what is on its way stays bounded', async () => {
    // Says how many blocks it could write.
    const writer = 'n=0; while head -c 65536 /dev/zero; do n=$((n + 1)); echo $n >&2; done';
    const process = pipeProcesses(
      ...stages(['plain', ['sh', '-c', writer]], ['plain', ['cat']], ['plain', ['cat']]),
    ).exec({ encoding: 'buffer' });
    let said = '';
    process.events$.subscribe({
      next: (event) => {
        if (event.type === 'stderr') said += Buffer.from(event.data).toString();
      },
      error: () => undefined,
    });
    const written = (): number => Number(said.trim().split('\n').at(-1)) * 65_536;
    const reader = process.stdout[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    await eventually('the writer waits', async () => {
      const still = written() > 0 && written() === before;
      before = written();
      await elapsed(200);
      return still;
    });
    expect(written()).toBeLessThan(4 * 2 ** 20);
    // And it goes on when it is read again.
    for (let read = 0; read < 8 * 2 ** 20;) read += (await reader.next()).value?.length ?? 0;
    expect(written()).toBeGreaterThan(4 * 2 ** 20);
    process.cancel();
    await process.closed;
  });
});
