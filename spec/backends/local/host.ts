import { readdirSync, readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';

/** A number of seconds that no other process sleeps for: about ten minutes. */
export function uniqueSeconds(): string {
  return `600.${Math.floor(Math.random() * 1e9)}`;
}

/** A word that nobody else uses. */
export function uniqueWord(): string {
  return `word-${randomUUID()}`;
}

function textOf(pid: string, file: 'cmdline' | 'environ' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/** The processes of this machine whose command line or environment holds `word`; zombies are none, nor who has gone. */
export function processesWith(word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => textOf(pid, 'cmdline').includes(word) || textOf(pid, 'environ').includes(word))
    .filter((pid) => /\) [^ZX] /.test(textOf(pid, 'stat')))
    .map(Number);
}

/** The processes whose arguments are exactly these. */
export function processesOf(command: readonly string[]): number[] {
  return processesWith(command.at(-1) ?? '').filter(
    (pid) => textOf(String(pid), 'cmdline') === command.map((word) => `${word}\0`).join(''),
  );
}

/** The process whose arguments are exactly these. */
export function processOf(command: readonly string[]): number | undefined {
  return processesOf(command)[0];
}

/** Whether a process was stopped by a signal. */
export function isStopped(pid: number): boolean {
  return textOf(String(pid), 'stat').includes(') T ');
}

/** The children that this process has now. */
export function ownChildren(): string[] {
  return readdirSync('/proc/self/task').flatMap((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/children`, 'latin1')
        .split(' ')
        .filter(Boolean);
    } catch {
      return [];
    }
  });
}
