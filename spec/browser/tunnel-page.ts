// Runs in Chromium: what a page may do over one WebSocket that comes and goes.
import type { Subscription } from 'rxjs';
import {
  SandboxClient,
  SandboxError,
  websocketBackend,
  type Process,
  type WebSocketBackend,
} from 'sandbox-rx';

interface Opened {
  readonly backend: WebSocketBackend;
  readonly client: SandboxClient;
}

const states: string[] = [];
let opened: Opened | undefined;
let watching: Subscription | undefined;

function codeOf(error: unknown): string {
  return error instanceof SandboxError ? error.code : String(error);
}

function client(): SandboxClient {
  if (opened === undefined) throw new Error('not opened');
  return opened.client;
}

/** Numbers that came one after another. */
class Counted {
  next = 1;
  #rest = '';

  /** Whether all lines were the next number. */
  take(text: string): boolean {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.every((line) => line === String(this.next++));
  }
}

let counting: { readonly seen: Counted; isRight: boolean; stop(): void } | undefined;

/** Looks whether the output of a run is numbers without a gap, from 1 on. */
function count(run: Process): void {
  const seen = new Counted();
  const it = { seen, isRight: true, stop: () => void run.cancel() };
  counting = it;
  run.stdout$.subscribe({
    next: (text) => {
      it.isRight &&= seen.take(text);
    },
    error: () => undefined,
  });
}

const page = {
  open(url: string, token?: string): void {
    const backend = websocketBackend({ url, ...(token !== undefined && { token }) });
    opened = { backend, client: new SandboxClient(backend) };
    states.length = 0;
    watching = backend.connection$.subscribe(({ state }) => {
      if (states.at(-1) !== state) states.push(state);
    });
  },

  close(): void {
    opened?.backend.close();
    watching?.unsubscribe();
  },

  states: () => states,

  async failure(): Promise<string> {
    return client()
      .list()
      .then(() => 'none', codeOf);
  },

  /** Many runs at once, each with an input of its own; how many gave it back. */
  async manyRuns(count: number): Promise<number> {
    const sandbox = await client().create();
    const results = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const word = `${n}-`.repeat(1000);
        const { stdout, returncode } = await sandbox.exec(['cat'], { stdin: word });
        return stdout === word && returncode === 0;
      }),
    );
    await sandbox.delete();
    return results.filter(Boolean).length;
  },

  /** Reads a long output slowly; what the page held at most, in MiB. */
  async slowReader(mebibytes: number): Promise<{ bytes: number; heapMiB: number }> {
    const sandbox = await client().create();
    const bytes = String(mebibytes * 1_048_576);
    const run = sandbox.exec(['head', '-c', bytes, '/dev/zero'], {
      encoding: 'buffer',
      overflow: 'backpressure',
      retainBytes: 1_048_576,
    });
    let [read, heapMiB] = [0, 0];
    for await (const chunk of run.stdout) {
      read += chunk.length;
      if (Math.random() < 0.05) await new Promise((resolve) => setTimeout(resolve, 1));
      heapMiB = Math.max(heapMiB, usedHeap() / 1_048_576);
    }
    await run;
    await sandbox.delete();
    return { bytes: read, heapMiB };
  },

  /** Counts for ever, as fast as it goes. */
  async startCounting(): Promise<void> {
    const sandbox = await client().create();
    const script = 'n=0; while :; do n=$((n+1)); echo $n; done | head -c 1000000000';
    count(sandbox.exec(['sh', '-c', script], { retainBytes: 65_536 }));
  },

  /** A run that goes on without the page, and counts no faster than that all is kept. Gives the id of its sandbox. */
  async startDetached(): Promise<string> {
    const sandbox = await client().create();
    const script = 'n=0; while :; do n=$((n+1)); echo $n; [ $((n % 200)) != 0 ] || sleep 0.1; done';
    count(sandbox.exec(['sh', '-c', script], { id: 'counting', onDisconnect: 'detach' }));
    return sandbox.id;
  },

  async attach(sandboxId: string): Promise<void> {
    const sandbox = await client().get(sandboxId);
    count(sandbox.attach('counting'));
  },

  async remove(sandboxId: string): Promise<void> {
    const sandbox = await client().get(sandboxId);
    await sandbox.delete();
  },

  counted: () => ({ lines: counting?.seen.next ?? 0, isRight: counting?.isRight }),

  stopCounting: () => counting?.stop(),
};

/** Chromium's own, with buffers. */
function usedHeap(): number {
  const { memory } = performance as unknown as { readonly memory?: { usedJSHeapSize: number } };
  return memory?.usedJSHeapSize ?? 0;
}

Object.assign(globalThis, { tunnel: page });
