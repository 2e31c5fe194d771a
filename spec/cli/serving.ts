import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { startPiped } from './program.js';

/** A host as users start one. */
export interface Served {
  readonly child: ChildProcess;
  /** The first line of its output. */
  readonly line: Promise<string>;
  /** Settles when it has logged this. */
  logged(message: string): Promise<void>;
  /** All that it logged, once it has ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null; log: string }>;
  /** By SIGKILL; settles when it has ended. */
  kill(): Promise<unknown>;
}

/** Starts `sandbox-rx serve` on a free port. */
export function startServing(
  isolation: 'bubblewrap' | 'none',
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Served {
  const child = startPiped(env, 'serve', '--isolation', isolation, '--port', '0', ...options);
  let log = '';
  child.stderr.on('data', (text: Buffer) => (log += text.toString()));
  const ended = once(child, 'close').then(([code, signal]) => ({
    ...{ code: code as number | null, signal: signal as string | null, log },
  }));
  const lines = createInterface({ input: child.stdout });
  const line = Promise.race([
    once(lines, 'line').then(([text]) => String(text)),
    ended.then(() => {
      throw new Error(`it ended: ${log}`);
    }),
  ]);
  line.catch(() => undefined);
  const logged = async (message: string) => {
    while (!log.includes(`"msg":"${message}"`)) await once(child.stderr, 'data');
  };
  const kill = () => {
    child.kill('SIGKILL');
    return ended;
  };
  return { child, line, logged, ended, kill };
}
