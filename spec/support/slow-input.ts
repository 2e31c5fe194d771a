import { NEVER, Observable, Subscription } from 'rxjs';
import {
  SandboxClient,
  type Process,
  type Sandbox,
  type SandboxBackend,
  type StdinWrite,
  type StreamWriter,
} from 'sandbox-rx';
import { memoryBackend } from 'sandbox-rx/testing';
import { alteredBackend } from './altered-backend.js';

interface SlowRun {
  readonly process: Process;
  readonly stdin: StreamWriter;
  readonly input: SlowInput;
}

/** The standard input of a process that accepts only when the test says so. */
export class SlowInput {
  /** What the process was given, accepted or not. */
  readonly taken: StdinWrite[] = [];
  atEof = false;
  #stdin$: Observable<StdinWrite> = NEVER;
  #subscription = new Subscription();
  #accepted = 0;

  /** A process without end whose standard input this is, for a `StreamWriter`. */
  static async start(options: { readonly opened?: boolean } = {}): Promise<SlowRun> {
    const input = new SlowInput();
    const process = (await input.sandbox(options)).exec(['slow'], { stdin: true });
    if (process.stdin === null) throw new Error('stdin: true gives a writer');
    return { process, stdin: process.stdin, input };
  }

  /** A sandbox in which every process is without end and has this standard input. */
  sandbox({ opened = true }: { readonly opened?: boolean } = {}): PromiseLike<Sandbox> {
    const memory = memoryBackend();
    const exec: SandboxBackend['exec'] = ({ stdin$ = NEVER }) =>
      new Observable(() => {
        this.#stdin$ = stdin$;
        if (opened) this.open();
        return () => {
          this.#subscription.unsubscribe();
        };
      });
    return new SandboxClient(alteredBackend(memory, { exec })).create();
  }

  get text(): string {
    return this.taken.map(({ data }) => new TextDecoder().decode(data)).join('');
  }

  /** The process begins to take its input. */
  open(): void {
    this.#subscription = this.#stdin$.subscribe({
      next: (write) => this.taken.push(write),
      complete: () => {
        this.atEof = true;
      },
    });
  }

  /** The process closes its input, and runs on. */
  leave(): void {
    this.#subscription.unsubscribe();
  }

  accept(): void {
    this.taken[this.#accepted++]?.accepted();
  }

  acceptAll(): void {
    while (this.#accepted < this.taken.length) this.accept();
  }
}
