import { eventually, type ContractSuite, type Kit } from './kit.js';
import type { ExecOptions, Process } from '../../lib/index.js';

/** Runs on a terminal. */
export function terminalContract({ describe, needs, expect }: ContractSuite): void {
  describe('a terminal', () => {
    needs('tty', 'has the size that was asked for, and takes new ones', {
      works: async (kit) => {
        const { process, said } = await onTerminal(kit, { rows: 33, cols: 101 });
        await eventually('it tells its size', () => said().includes('33 101'));
        process.resize({ rows: 12, cols: 34 });
        await eventually('it tells its new size', () => said().includes('12 34'));
        process.cancel();
        await process.closed;
      },
      refused: async (kit) =>
        (await kit.open()).exec(kit.commands.terminal, { tty: true }).result(),
    });

    needs('tty', 'has 24 rows of 80 when nothing else is said', {
      works: async (kit) => {
        const { process, said } = await onTerminal(kit, true);
        await eventually('it tells its size', () => said().includes('24 80'));
        process.cancel();
        await process.closed;
      },
      refused: async (kit) =>
        (await kit.open()).exec(kit.commands.terminal, { tty: true }).result(),
    });

    needs('tty', 'gives all output and the exit status', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.mixed, { tty: true });
        const { stdout, stderr, returncode } = await process.result();
        expect(stdout.replaceAll('\r', '')).toEqual('o1\ne1\no2\ne2\no3\ne3\n');
        expect([stderr, returncode]).toEqual(['', 0]);
        await process.closed;
      },
      refused: async (kit) => (await kit.open()).exec(kit.commands.mixed, { tty: true }).result(),
    });
  });
}

async function onTerminal(
  kit: Kit,
  tty: NonNullable<ExecOptions['tty']>,
): Promise<{ process: Process; said: () => string }> {
  const process = (await kit.open()).exec(kit.commands.terminal, { tty });
  let said = '';
  process.stdout$.pipe(kit.untilOver()).subscribe({
    next: (text) => (said += text),
    error: (error: unknown) => (said += String(error)),
  });
  return { process, said: () => said };
}
