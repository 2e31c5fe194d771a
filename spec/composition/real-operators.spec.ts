import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { lastValueFrom, reduce, toArray } from 'rxjs';
import { mapThrough, SandboxClient, through, type Sandbox } from 'sandbox-rx';
import { localBackend, websocketBackend } from 'sandbox-rx/node';
import { outcome } from '../support/driven-process.js';
import { Remote } from '../support/remote.js';

/** The numbers as lines. */
function* numbers(count: number): Generator<string> {
  for (let n = 0; n < count; n++) yield String(n);
}

describe('processes as operators', () => {
  const remote = new Remote();
  const sandboxes: Map<string, Sandbox> = new Map();
  const places = ['plain', 'grpc', 'tunnel'];

  beforeAll(async () => {
    const plain = localBackend({ isolation: 'none' });
    const url = await remote.host(plain);
    const tunnel = remote.add(websocketBackend({ url }), (backend) => {
      backend.close();
    });
    for (const [name, backend] of Object.entries({ plain, grpc: remote.backend(url), tunnel })) {
      const sandbox = await new SandboxClient(backend).create();
      sandboxes.set(
        name,
        remote.add(sandbox, () => sandbox.delete()),
      );
    }
  });

  afterAll(() => remote.close());

  function sandboxOf(name: string): Sandbox {
    const sandbox = sandboxes.get(name);
    if (sandbox === undefined) throw new Error(`there is no sandbox ${name}`);
    return sandbox;
  }

  it.each(places)('carry 200,000 lines unharmed through sed (%s)', async (where) => {
    const hash = createHash('sha256');
    const count = await lastValueFrom(
      through(sandboxOf(where), ['sed', 's/^/x/'])(numbers(200_000)).pipe(
        reduce((sum, line) => {
          hash.update(`${line}\n`);
          return sum + 1;
        }, 0),
      ),
    );
    const expected = createHash('sha256');
    for (const line of numbers(200_000)) expected.update(`x${line}\n`);
    expect(count).toBe(200_000);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
  });

  it('feed a process from another one that waits for it', async () => {
    const sandbox = sandboxOf('plain');
    const source = sandbox.exec(['seq', '1', '20000']);
    const sums = through(sandbox, ['awk', '{ sum += $1 } END { print sum }']);
    expect(await lastValueFrom(sums(source.stdout.lines()))).toBe('200010000');
  });

  it('tell what the process said when it fails', async () => {
    const failing = through(sandboxOf('plain'), ['sh', '-c', 'cat; echo no such luck >&2; exit 4']);
    expect(await outcome(lastValueFrom(failing(['a'])))).toMatchObject({
      error: { code: 'ERR_EXIT_STATUS', message: expect.stringContaining('no such luck') },
    });
  });

  it.each(places)('answer 100,000 requests in order by three processes (%s)', async (where) => {
    const mapped = mapThrough(sandboxOf(where), ['sed', 's/$/!/'], { concurrency: 3 });
    const answers = await lastValueFrom(mapped(numbers(100_000)).pipe(toArray()));
    expect(answers).toEqual([...numbers(100_000)].map((line) => `${line}!`));
  });

  it('replace processes that crash under their requests', async () => {
    const script =
      'while read -r n; do [ $((n % 7)) = 3 ] && [ ! -e "$0$n" ] && : > "$0$n" && kill -KILL $$; echo "$n!"; done';
    const prefix = `/tmp/map-through-${process.pid}-`;
    const sandbox = sandboxOf('plain');
    const mapped = mapThrough(sandbox, ['sh', '-c', script, prefix], {
      concurrency: 2,
      maxInFlight: 3,
    });
    const answers = await lastValueFrom(mapped(numbers(50)).pipe(toArray()));
    await sandbox.exec(['sh', '-c', `rm -f ${prefix}*`]);
    expect(answers).toEqual([...numbers(50)].map((line) => `${line}!`));
  });
});
