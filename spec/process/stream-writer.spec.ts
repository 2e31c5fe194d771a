import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, map, type Observable } from 'rxjs';
import {
  SandboxClient,
  SandboxExecutionError,
  SandboxValidationError,
  type Process,
  type StreamWriter,
} from 'sandbox-rx';
import { exit, memoryBackend, out, type Program } from 'sandbox-rx/testing';
import { bytes } from '../support/bytes.js';
import { outcome, settled } from '../support/driven-process.js';
import { SlowInput } from '../support/slow-input.js';

/** Gives back what it is given, and ends at EOF. */
const cat: Program = ({ stdin$ }) => stdin$.pipe(map((data) => out(data)));

/** A process that runs `program` with an open stdin. */
async function start(
  program: Program,
): Promise<{ readonly process: Process; readonly stdin: StreamWriter }> {
  const sandbox = await new SandboxClient(memoryBackend({ programs: { program } })).create();
  const process = sandbox.exec(['program'], { stdin: true });
  const { stdin } = process;
  if (stdin === null) throw new Error('stdin: true gives a writer');
  return { process, stdin };
}

describe('StreamWriter', () => {
  it('writes text as UTF-8 and bytes as they are, and close is EOF after all of it', async () => {
    const { process, stdin } = await start(cat);
    await stdin.write('é');
    await stdin.write(Uint8Array.of(0xff));
    await stdin.writeline('line');
    await stdin.close();
    const result = await process;
    expect(result.stdoutBytes).toEqual(Uint8Array.of(0xc3, 0xa9, 0xff, ...bytes('line\n')));
    expect(result.returncode).toBe(0);
  });

  it.each([
    [undefined, [0xc3, 0xa9, 0x0a]],
    ['utf-8', [0xc3, 0xa9, 0x0a]],
    ['latin1', [0xe9, 0x0a]],
    ['utf-16le', [0xe9, 0x00, 0x0a, 0x00]],
  ] as const)('writes a line in %s', async (encoding, expected) => {
    const { process, stdin } = await start(cat);
    await stdin.writeline('é', encoding);
    await stdin.close();
    expect([...(await process).stdoutBytes]).toEqual(expected);
  });

  it('keeps the order of writes that nobody waits for, however many, and EOF after them', async () => {
    const { process, stdin } = await start(cat);
    const words = Array.from({ length: 20_000 }, (_, i) => `${i} `);
    for (const word of words) stdin.write(word);
    await stdin.close();
    expect((await process).stdout).toBe(words.join(''));
  });

  it('can be closed again, and closed settles', async () => {
    const { process, stdin } = await start(cat);
    const closed = stdin.closed.result();
    await stdin.close();
    await stdin.close();
    await expect(closed).resolves.toBeUndefined();
    await expect(process.wait()).resolves.toBe(0);
    await expect(stdin.close()).resolves.toBeUndefined();
  });

  it('is told of nothing by a wait for EOF that is cancelled', async () => {
    const { stdin } = await start(cat);
    expect(stdin.closed.cancel()).toBe(true);
    stdin.close().cancel();
    await expect(stdin.closed).resolves.toBeUndefined();
  });

  it('throws at once after close(), while the process runs and when it is over', async () => {
    const { process, stdin } = await start(cat);
    stdin.write('before');
    void stdin.close();
    const closed = expect.objectContaining({
      code: 'ERR_STDIN_CLOSED',
      reason: 'stdin_closed',
    }) as unknown as Error;
    expect(() => stdin.write('after')).toThrow(closed);
    expect(() => stdin.writeline('after')).toThrow(closed);
    await expect(process).resolves.toMatchObject({ stdout: 'before' });
    expect(() => stdin.write('after')).toThrow(SandboxExecutionError);
  });

  it.each([
    ['exited', [exit(0)], async (process: Process) => process.wait()],
    ['was cancelled', cat, async (process: Process) => process.cancel()],
  ] as const)('throws at once when the process %s', async (_how, program, end) => {
    const { process, stdin } = await start(program);
    await end(process);
    const over = expect.objectContaining({
      code: 'ERR_PROCESS_OVER',
      reason: 'process_over',
    }) as unknown as Error;
    expect(() => stdin.write('x')).toThrow(over);
    expect(() => stdin.writeline('x')).toThrow(over);
    await expect(stdin.closed).resolves.toBeUndefined();
    await expect(stdin.close()).resolves.toBeUndefined();
  });

  it.each([5, null, undefined, {}, [1]])('throws at once for the data %p', async (data) => {
    const { stdin } = await start(cat);
    expect(() => stdin.write(data as string)).toThrow(SandboxValidationError);
    expect(() => stdin.writeline(data as string)).toThrow(SandboxValidationError);
  });

  it('throws at once for an encoding that it does not know, or that lacks a character', async () => {
    const { stdin } = await start(cat);
    expect(() => stdin.writeline('x', 'utf-7' as 'utf-8')).toThrow(SandboxValidationError);
    expect(() => stdin.writeline('€', 'latin1')).toThrow(SandboxValidationError);
  });

  describe('to a process that is slow to read', () => {
    it('is handed 16 writes, and a further one for each that it accepts', async () => {
      const { stdin, input } = await SlowInput.start();
      const accepted: number[] = [];
      for (let i = 0; i < 20; i++) void stdin.write('x').then(() => accepted.push(i));
      await settled();
      expect([accepted.length, input.taken.length]).toEqual([0, 16]);
      input.accept();
      await settled();
      expect([accepted.length, input.taken.length]).toEqual([1, 17]);
      input.acceptAll();
      await settled();
      expect(accepted).toEqual(Array.from({ length: 20 }, (_, i) => i));
    });

    it('is handed up to a mebibyte, and a single write of any size', async () => {
      const { stdin, input } = await SlowInput.start();
      const half = new Uint8Array(524_288);
      const sizes = (): number[] => input.taken.map(({ data }) => data.length);
      for (const data of [half, half, 'c']) stdin.write(data);
      expect(sizes()).toEqual([524_288, 524_288]);
      input.accept();
      expect(sizes()).toEqual([524_288, 524_288, 1]);
      input.acceptAll();
      stdin.write(new Uint8Array(5_000_000));
      expect(sizes().at(-1)).toBe(5_000_000);
    });

    it('is given each buffer as it was written, when it is used again after that', async () => {
      const { stdin, input } = await SlowInput.start();
      const writing = (async () => {
        const buffer = new Uint8Array(1);
        for (const byte of bytes('abc')) {
          buffer[0] = byte;
          await stdin.write(buffer);
        }
      })();
      let read = '';
      for (let i = 0; i < 3; i++) {
        await settled();
        const write = input.taken[i];
        read += new TextDecoder().decode(write?.data);
        write?.accepted();
      }
      await writing;
      expect([read, input.taken.length]).toEqual(['abc', 3]);
    });

    it('is at EOF only after the writes that wait', async () => {
      const { stdin, input } = await SlowInput.start();
      for (let i = 0; i < 17; i++) stdin.write('x');
      const closed = outcome(stdin.close());
      await settled();
      expect([input.taken.length, input.atEof]).toEqual([16, false]);
      input.accept();
      expect([input.taken.length, input.atEof]).toEqual([17, true]);
      expect(await closed).toEqual({ value: undefined });
    });

    it('takes a write back that is cancelled before there was room', async () => {
      const { stdin, input } = await SlowInput.start();
      for (let i = 0; i < 16; i++) stdin.write('x');
      const unwanted = stdin.write('unwanted');
      const wanted = stdin.write('wanted');
      expect(unwanted.cancel()).toBe(true);
      input.acceptAll();
      await wanted;
      expect(input.text).toBe(`${'x'.repeat(16)}wanted`);
      expect(wanted.cancel()).toBe(false);
    });

    it('cannot be kept from a write that it was handed, which settles as it would have', async () => {
      const { stdin, input } = await SlowInput.start();
      const write = stdin.write('x');
      expect(write.cancel()).toBe(false);
      input.accept();
      await expect(write).resolves.toBeUndefined();
      expect(write.cancel()).toBe(false);
    });

    it('accepts after EOF what it was handed before', async () => {
      const { stdin, input } = await SlowInput.start();
      const write = outcome(stdin.write('x'));
      await stdin.close();
      expect(input.atEof).toBe(true);
      input.accept();
      expect(await write).toEqual({ value: undefined });
    });

    it.each([
      ['open', () => undefined],
      ['at EOF', (stdin: StreamWriter) => stdin.close()],
    ])(
      'rejects what was not accepted when the process ends, with stdin %s',
      async (_how, prepare) => {
        const { process, stdin, input } = await SlowInput.start();
        const accepted = outcome(stdin.write('accepted'));
        const handed = outcome(stdin.write('handed'));
        input.accept();
        prepare(stdin);
        process.cancel();
        input.accept();
        expect(await accepted).toEqual({ value: undefined });
        expect(await handed).toMatchObject({ error: { code: 'ERR_PROCESS_OVER' } });
      },
    );

    it('says so when the process has closed its input, until it is over', async () => {
      const { process, stdin, input } = await SlowInput.start();
      const handed = outcome(stdin.write('handed'));
      for (let i = 1; i < 16; i++) stdin.write('x');
      const waiting = outcome(stdin.write('waiting'));
      input.leave();
      const closed = {
        reason: 'stdin_closed',
        message: expect.stringContaining('it has closed it'),
      };
      for (const write of [handed, waiting]) expect(await write).toMatchObject({ error: closed });
      expect(() => stdin.write('late')).toThrow(expect.objectContaining(closed));
      await expect(stdin.closed).resolves.toBeUndefined();
      process.cancel();
      const over = expect.objectContaining({ reason: 'process_over' }) as unknown as Error;
      expect(() => stdin.write('later')).toThrow(over);
    });

    it('rejects what waited for room when the process ends', async () => {
      const { process, stdin } = await SlowInput.start();
      for (let i = 0; i < 16; i++) stdin.write('x');
      const waiting = outcome(stdin.write('late'));
      // Nobody waits for this one, and nobody is sent its error.
      stdin.write('later');
      process.cancel();
      expect(await waiting).toMatchObject({ error: { code: 'ERR_PROCESS_OVER' } });
    });
  });

  it('holds what is written before the process runs', async () => {
    const { stdin, input } = await SlowInput.start({ opened: false });
    stdin.write('early');
    void stdin.close();
    expect(input.text).toBe('');
    input.open();
    expect([input.text, input.atEof]).toEqual(['early', true]);
  });
});

describe('stdin', () => {
  it('is null when it was not asked for', async () => {
    const sandbox = await new SandboxClient(memoryBackend({ programs: { cat } })).create();
    expect(sandbox.exec(['cat']).stdin).toBeNull();
    expect((await sandbox.exec(['cat'])).stdout).toBe('');
    const source: Observable<string> = sandbox.exec(['cat'], { stdin: 'all of it' }).stdout$;
    expect(await firstValueFrom(source)).toBe('all of it');
  });
});
