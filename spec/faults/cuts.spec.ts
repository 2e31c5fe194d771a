import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, reduce } from 'rxjs';
import { ConnectionLostError, SandboxError, Sandbox, type Process } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { countedTo, failureOf } from '../contract/kit.js';
import { uniqueWord } from '../backends/local/host.js';
import type { CutPoint, Direction } from '../support/faulty-way.js';
import { FaultyHost, type FaultyClient } from './faulty-host.js';

let host: FaultyHost;
let sandbox: Sandbox;
let directory: string;

beforeAll(async () => {
  host = await FaultyHost.of(localBackend({ isolation: 'none' }));
  sandbox = await host.client.create();
  directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-cuts-'));
});

afterAll(async () => {
  await host.close();
  rmSync(directory, { recursive: true });
});

/** What a client does over a way that is cut, and what then has to hold. */
type Scenario = (one: Play) => Promise<void>;

interface Play extends FaultyClient {
  /** Marks all that belongs to it. */
  readonly word: string;
  /** The sandbox, over the way that is cut. */
  readonly far: Sandbox;
}

/** Where a cut comes: while the connection is made, or at a share of what passes then; the ends are where most goes wrong. */
interface CutPlace extends Omit<CutPoint, 'bytes'> {
  readonly near: 'handshake' | 'start' | 'end' | 'anywhere';
  readonly place: number;
}

const cutPlace: fc.Arbitrary<CutPlace> = fc.record({
  direction: fc.constantFrom('toHost', 'toClient'),
  kind: fc.constantFrom('reset', 'end'),
  forGood: fc.boolean(),
  near: fc.oneof(
    { arbitrary: fc.constantFrom('start', 'end', 'anywhere'), weight: 9 },
    { arbitrary: fc.constant('handshake'), weight: 1 },
  ),
  place: fc.double({ min: 0, max: 1, noNaN: true }),
});

const endBytes = 400;

function bytesOf({ near, place }: CutPlace, whole: number): number {
  const part = near === 'anywhere' ? whole : Math.min(endBytes, whole);
  const from = near === 'end' ? whole - part : 0;
  return Math.floor(from + place * part);
}

/** Plays it once over a way that is whole, to learn how much passes, and then over ways that are cut. */
async function cutAnywhere(scenario: Scenario, numRuns: number): Promise<void> {
  const whole = await played(scenario);
  await fc.assert(
    fc.asyncProperty(cutPlace, async (place) => {
      await played(scenario, { ...place, bytes: bytesOf(place, whole[place.direction]) });
    }),
    { numRuns },
  );
}

/** Tells how much has passed, once it was connected. */
async function played(
  scenario: Scenario,
  point?: CutPlace & CutPoint,
): Promise<Readonly<Record<Direction, number>>> {
  const faulty = await host.faulty({ retryBudgetMs: point?.forGood ? 100 : 30_000 });
  const { way, client, backend } = faulty;
  const word = uniqueWord();
  try {
    if (point?.near !== 'handshake') await client.get(sandbox.id);
    const before = { ...way.passed };
    if (point !== undefined) way.cutAt({ ...point, bytes: point.bytes + before[point.direction] });
    await scenario({ ...faulty, word, far: new Sandbox(backend, sandbox.id) });
    await host.nothingLeft(word);
    const { toHost, toClient } = way.passed;
    return { toHost: toHost - before.toHost, toClient: toClient - before.toClient };
  } finally {
    faulty.close();
  }
}

/** Whether it succeeded; else that it failed with an error that says so. */
async function succeeded(operation: PromiseLike<unknown>): Promise<boolean> {
  try {
    await operation;
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(SandboxError);
    expect(['ERR_BACKEND_UNAVAILABLE', 'ERR_CONNECTION_LOST']).toContain(
      (error as SandboxError).code,
    );
    return false;
  }
}

/** A run that failed, and may have begun, says that its outcome is not known, and whose. */
async function isOfUnknownOutcome(run: Process, hasBegun: boolean): Promise<void> {
  const error = await failureOf(run);
  expect(run.returncode).toBeNull();
  if (!(error instanceof ConnectionLostError)) {
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(hasBegun).toBe(false);
    return;
  }
  expect(error).toMatchObject({ runId: run.id, sandboxId: sandbox.id, retryable: false });
}

/** Bytes that tell when one is missing. */
const data = randomBytes(300_000);

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('a connection that is cut anywhere', () => {
  it('ends a run with all of its output, or with an unknown outcome', async () => {
    const script = 'touch "$0"; seq 20000; seq 5000 >&2; exit 7';
    await cutAnywhere(async ({ far, word }) => {
      const marker = join(directory, word);
      const run = far.exec(['sh', '-c', script, marker]);
      if (await succeeded(run)) {
        const { returncode, stdout, stderr } = await run;
        expect(returncode).toBe(7);
        expect([stdout === countedTo(20_000), stderr === countedTo(5000)]).toEqual([true, true]);
      } else {
        await host.nothingLeft(word);
        await isOfUnknownOutcome(run, existsSync(marker));
      }
      await run.closed;
    }, 35);
  });

  it('never ends the input of a run as if that were all', async () => {
    // Not ended by SIGTERM, so that it would have time to take an end of its input for all of it.
    const script = 'trap "" TERM; cat > "$0.part" && mv "$0.part" "$0"';
    await cutAnywhere(async ({ far, word }) => {
      const file = join(directory, word);
      const run = far.exec(['sh', '-c', script, file], { stdin: [data], killGraceMs: 100 });
      const isWhole = await succeeded(run);
      await host.nothingLeft(word);
      if (!isWhole) await isOfUnknownOutcome(run, existsSync(file));
      // Also of a run whose caller has not heard: it took all, or nothing came of it.
      if (isWhole || existsSync(file)) expect(digestOf(readFileSync(file))).toBe(digestOf(data));
      await run.closed;
    }, 35);
  });

  it('gives all of a log that is followed, or an error', async () => {
    const { id } = await host.client.create({ command: ['seq', '20000'] });
    await cutAnywhere(async ({ backend }) => {
      const log$ = new Sandbox(backend, id)
        .logs$({ follow: true })
        .pipe(reduce((text, event) => text + Buffer.from(event.data).toString(), ''));
      let log = '';
      const whole = await succeeded(lastValueFrom(log$).then((text) => (log = text)));
      if (whole) expect(log === countedTo(20_000)).toBe(true);
    }, 5);
  });

  it.each([300_000, 5_000_000])(
    'writes a file of %i bytes, or says that it may not have',
    async (size) => {
      const content = randomBytes(size);
      await cutAnywhere(async ({ far, word }) => {
        const path = join(directory, word);
        if (await succeeded(far.files.write(path, content)))
          expect(digestOf(readFileSync(path))).toBe(digestOf(content));
      }, 20);
    },
  );

  it('reads all of a file, or fails', async () => {
    await sandbox.files.write('file', data);
    await cutAnywhere(async ({ far }) => {
      let read: Uint8Array = data;
      if (await succeeded(far.files.read('file').then((bytes) => (read = bytes))))
        expect(digestOf(read)).toBe(digestOf(data));
    }, 20);
  });

  it('makes one sandbox, or says that there may be one', async () => {
    await cutAnywhere(async ({ client, way, word }) => {
      const creating = client.create({ tags: [word] });
      const made = await succeeded(creating);
      const there = (await host.client.list({ tags: [word] })).map(({ id }) => id);
      if (made) {
        expect(there).toEqual([(await creating).id]);
      } else if (there.length > 0) {
        expect(await failureOf(creating)).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
        // Else it would have asked again for the one that it asked for.
        expect(way.refuses).toBe(true);
      }
      for (const id of there) await (await host.client.get(id)).delete();
    }, 35);
  });
});
