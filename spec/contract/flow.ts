import type { ExecOptions, Process } from '../../lib/index.js';
import { countedTo, elapsed, eventually, type ContractSuite, type Kit } from './kit.js';

/** Backpressure, and output that is held open after an exit. */
export function flowContract({ describe, it, needs, expect }: ContractSuite): void {
  const slowly: ExecOptions = { highWaterMark: 65_536, retainBytes: 65_536 };

  describe('backpressure', () => {
    needs('backpressure', 'makes the process wait for its reader, and loses nothing', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.flood, slowly);
        const produced = bytesOf(kit, process);
        const reader = process.stdout[Symbol.asyncIterator]();
        let text = await next(reader);
        await settled(produced);
        const before = produced();
        expect(before < 4_000_000).toEqual(true);
        while (text.length < before + 1_000_000) text += await next(reader);
        expect(produced() > before).toEqual(true);
        expect(countedTo(1_000_000).startsWith(text.slice(0, 5_000_000))).toEqual(true);
        await reader.return?.();
        process.cancel();
        await process.closed;
      },
      refused: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.flood, slowly);
        await next(process.stdout[Symbol.asyncIterator]());
        return process.result();
      },
    });

    needs('attach', 'makes the process wait for a reader who only attached', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const run = sandbox.exec(kit.commands.flood, { id: 'flood', retainBytes: 0 });
        const produced = bytesOf(kit, run);
        const attached = sandbox.attach('flood', slowly);
        await next(attached.stdout[Symbol.asyncIterator]());
        await settled(produced);
        const before = produced();
        expect(before < 8_000_000).toEqual(true);
        // Who leaves lets the run go on.
        attached.cancel();
        await eventually('it goes on', () => produced() > before + 1_000_000);
        run.cancel();
        await run.closed;
      },
      refused: async (kit) => (await kit.open()).attach('flood'),
    });

    needs('backpressure', 'gives a slow reader everything before the exit', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.count, { highWaterMark: 16_384 });
        let text = '';
        for await (const chunk of process.stdout) {
          text += chunk;
          await elapsed(1);
        }
        expect(text === countedTo(100_000)).toEqual(true);
        expect(process.poll()).toEqual(0);
      },
      refused: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.count, { highWaterMark: 16_384 });
        await next(process.stdout[Symbol.asyncIterator]());
        return process.result();
      },
    });

    needs('backpressure', 'goes on when the reader closes', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.count, slowly);
        await next(process.stdout[Symbol.asyncIterator]());
        process.stdout.close();
        expect(await process.result()).toMatchObject({ returncode: 0, stdoutTotalBytes: 588_895 });
      },
      refused: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.count, slowly);
        await next(process.stdout[Symbol.asyncIterator]());
        return process.result();
      },
    });

    needs('backpressure', 'can be ended while it is paused', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.flood, slowly);
        const produced = bytesOf(kit, process);
        await next(process.stdout[Symbol.asyncIterator]());
        await settled(produced);
        process.cancel();
        await process.closed;
      },
      refused: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.flood, {
          ...slowly,
          overflow: 'backpressure',
        });
        return process.result();
      },
    });
  });

  describe('output that is held open', () => {
    it('does not hold back the exit', async (kit) => {
      // Output that is held until its holder ends would not be told as held.
      const result = await (await kit.open()).exec(kit.commands.heldOutput).result();
      expect(result).toMatchObject({ returncode: 0, stdout: 'hi\n', outputHeld: true });
    });

    it('is read to its end when it comes within the grace, which each chunk starts again', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.lateChild, { drainGraceMs: 2000 });
      expect(await process.result()).toMatchObject({
        returncode: 0,
        stdout: countedTo(8),
        outputHeld: false,
      });
    });

    needs('backpressure', 'waits for a reader, however long', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.lateChild, {
          drainGraceMs: 2000,
          highWaterMark: 1,
        });
        const reader = process.stdout[Symbol.asyncIterator]();
        let text = await next(reader);
        await elapsed(3000);
        for (let chunk = await next(reader); chunk !== ''; chunk = await next(reader))
          text += chunk;
        expect(text).toEqual(countedTo(8));
        expect(await process.result()).toMatchObject({ returncode: 0 });
      },
      refused: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.lateChild, { highWaterMark: 1 });
        await next(process.stdout[Symbol.asyncIterator]());
        return process.result();
      },
    });
  });
}

/** How many bytes have come of a run so far; counting them asks for none. */
function bytesOf(kit: Kit, process: Process): () => number {
  let bytes = 0;
  process.events$.pipe(kit.untilOver()).subscribe({
    next: (event) => {
      if (event.type !== 'exit') bytes += event.data.length;
    },
    error: () => undefined,
  });
  return () => bytes;
}

/** Waits until nothing more comes. */
async function settled(produced: () => number): Promise<void> {
  let before = -1;
  await eventually('the process waits', async () => {
    if (before === produced()) return true;
    before = produced();
    await elapsed(300);
    return false;
  });
}

/** The next chunk, empty at the end. */
async function next(reader: AsyncIterator<string, undefined>): Promise<string> {
  const { value } = await reader.next();
  return value ?? '';
}
