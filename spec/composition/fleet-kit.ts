import { map, type Observable, type OperatorFunction } from 'rxjs';
import { SandboxClient, type RunAllEvent, type Sandbox } from 'sandbox-rx';
import {
  delay,
  exit,
  memoryBackend,
  out,
  type MemoryBackend,
  type Program,
} from 'sandbox-rx/testing';

/** `work 3 1`: takes 3 ms, says so, and exits with status 1. */
const work: Program = ({ command: [, ms = '0', status = '0'] }) => [
  delay(Number(ms)),
  out(`${ms}\n`),
  exit(Number(status)),
];

/** A command that takes so long. */
export function job(ms: number, status = 0): string[] {
  return ['work', String(ms), String(status)];
}

export interface MemoryPlace {
  readonly backend: MemoryBackend;
  readonly client: SandboxClient;
  readonly sandbox: Sandbox;
}

/** A sandbox in memory; in virtual time where `marbles` is what asks for it. */
export function memoryPlace(programs: Readonly<Record<string, Program>> = {}): MemoryPlace {
  const backend = memoryBackend({ programs: { work, ...programs } });
  const client = new SandboxClient(backend);
  let sandbox: Sandbox | undefined;
  client.create().result$.subscribe((made) => (sandbox = made));
  if (sandbox === undefined) throw new Error('sandboxes in memory are made at once');
  return { backend, client, sandbox };
}

/** What is told, in short: `start 0`, `output 0`, `exit 0` with its status, `failed 0` with its code. */
export function brief(): OperatorFunction<RunAllEvent, string> {
  return map((event: RunAllEvent): string => {
    switch (event.type) {
      case 'started':
        return `start ${event.index}`;
      case 'output':
        return `${event.output.type} ${event.index}`;
      case 'retrying':
        return `again ${event.index} in ${event.delayMs}`;
      case 'finished':
        return `exit ${event.index}: ${event.result.returncode}`;
      case 'failed':
        return `failed ${event.index}: ${codeOf(event.error)}`;
    }
  });
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error
    ? String(error.code)
    : String(error);
}

/** All that an Observable told, and how it ended. */
export function record<T>(source: Observable<T>): { readonly seen: T[]; end: unknown } {
  const recorded: { readonly seen: T[]; end: unknown } = { seen: [], end: undefined };
  source.subscribe({
    next: (value) => recorded.seen.push(value),
    error: (error: unknown) => (recorded.end = error),
    complete: () => (recorded.end = 'complete'),
  });
  return recorded;
}
