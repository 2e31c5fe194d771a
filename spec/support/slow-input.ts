import { NEVER, type Observable } from 'rxjs';
import {
  SandboxClient,
  type Process,
  type SandboxBackend,
  type StdinWrite,
  type StreamWriter,
} from 'sandbox-rx';
import { memoryBackend } from 'sandbox-rx/testing';

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
  #accepted = 0;

  /** A process without end whose standard input this is. */
  static async start({ opened = true }: { readonly opened?: boolean } = {}): Promise<SlowRun> {
    const input = new SlowInput();
    const memory = memoryBackend();
    const exec: SandboxBackend['exec'] = ({ stdin$ = NEVER }) => {
      input.#stdin$ = stdin$;
      if (opened) input.open();
      return NEVER;
    };
    const backend = new Proxy(memory, {
      get: (target, key) => (key === 'exec' ? exec : bound(target, key)),
    });
    const sandbox = await new SandboxClient(backend).create();
    const process = sandbox.exec(['slow'], { stdin: true });
    if (process.stdin === null) throw new Error('stdin: true gives a writer');
    return { process, stdin: process.stdin, input };
  }

  get text(): string {
    return this.taken.map(({ data }) => new TextDecoder().decode(data)).join('');
  }

  /** The process begins to take its input. */
  open(): void {
    this.#stdin$.subscribe({
      next: (write) => this.taken.push(write),
      complete: () => {
        this.atEof = true;
      },
    });
  }

  accept(): void {
    this.taken[this.#accepted++]?.accepted();
  }

  acceptAll(): void {
    while (this.#accepted < this.taken.length) this.accept();
  }
}

/** A property as the object itself would be asked for it: private fields are not reached through a Proxy. */
function bound(target: object, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' ? value.bind(target) : value;
}
