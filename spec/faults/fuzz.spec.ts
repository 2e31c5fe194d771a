import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Metadata, status as Status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { memoryBackend } from 'sandbox-rx/testing';
import { ExecStreamRequest } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { Remote, type BareClient } from '../support/remote.js';
import { FaultyHost } from './faulty-host.js';

const remote = new Remote();
let host: FaultyHost;
let client: BareClient;
let sandboxId: string;

beforeAll(async () => {
  const backend = memoryBackend({ programs: memoryPrograms });
  host = remote.add(await FaultyHost.of(backend), (one) => one.close());
  client = remote.bare(host.url);
  sandboxId = (await host.client.create()).id;
});

afterAll(() => remote.close());

type Message = Parameters<typeof ExecStreamRequest.fromPartial>[0]['message'];

/** What a caller does on a stream: sends bytes, waits for an answer, or ends it in one way or the other. */
type Step = Uint8Array | 'answer' | 'halfClose' | 'cancel';

const bytesOf = (message: Message): Uint8Array =>
  ExecStreamRequest.encode(ExecStreamRequest.fromPartial({ message })).finish();

const command = fc.constantFrom('cat', 'count', 'sleep', 'echoBoth', 'absent');
const init = fc.tuple(command, fc.boolean()).map(([name, tty]) =>
  // Its sandbox is known only when the test runs.
  bytesOf({ $case: 'init', value: { sandboxId, command: [name], tty } }),
);
const size = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const frame: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc
    .uint8Array({ maxLength: 2000 })
    .map((value) => bytesOf({ $case: 'stdin', value: Buffer.from(value) })),
  fc.record({ width: size, height: size }).map((value) => bytesOf({ $case: 'resize', value })),
  fc.constant(null).map(() => bytesOf({ $case: 'close', value: {} })),
  init,
);

const garbage: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 50 }),
  // What was a message once: cut off, or with a bit that has changed.
  fc.tuple(frame, fc.nat()).map(([bytes, at]) => bytes.slice(0, at % (bytes.length + 1))),
  fc.tuple(frame, fc.nat(), fc.nat(7)).map(([bytes, at, bit]) => {
    const changed = Uint8Array.from(bytes);
    const place = at % Math.max(1, changed.length);
    changed[place] = (changed[place] ?? 0) ^ (1 << bit);
    return changed;
  }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: frame, weight: 6 },
  { arbitrary: garbage, weight: 2 },
  { arbitrary: fc.constant('answer' as const), weight: 2 },
  { arbitrary: fc.constantFrom('halfClose' as const, 'cancel' as const), weight: 1 },
);

/** So long a call has that would go on for ever: `sleep`, or a stream that nobody ends. */
const deadlineMs = 300;

/** Plays a stream; settles with its status. */
function played(steps: readonly Step[]): Promise<number> {
  const stream = client.stream('streamExec', new Metadata(), Date.now() + deadlineMs);
  const ended: Promise<number> = new Promise((resolve) => {
    stream.on('status', ({ code }) => {
      resolve(code);
    });
  });
  const answered = new Promise((resolve) => stream.once('data', resolve));
  stream.on('error', () => undefined);
  stream.on('data', () => undefined);
  const playing = async (): Promise<void> => {
    for (const one of steps) {
      if (one === 'answer') await Promise.race([answered, ended]);
      else if (one === 'halfClose') stream.end();
      else if (one === 'cancel') stream.cancel();
      else if (stream.writable) stream.write(one);
    }
  };
  void playing();
  return ended;
}

describe('a host, given streams of anything', () => {
  it('ends each with a status, and has nothing left', async () => {
    const known: readonly number[] = [
      ...[Status.OK, Status.CANCELLED, Status.INVALID_ARGUMENT, Status.DEADLINE_EXCEEDED],
      ...[Status.NOT_FOUND, Status.INTERNAL],
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        async (streams) => {
          const codes = await Promise.all(streams.map(played));
          for (const code of codes) expect(known).toContain(code);
          await host.idle();
        },
      ),
      { numRuns: 25 },
    );
    const sandbox = await host.client.get(sandboxId);
    expect((await sandbox.exec(['echoBoth'])).stdout).toBe('out\n');
  });
});
