import { Subject, takeUntil, type MonoTypeOperatorFunction } from 'rxjs';
import {
  SandboxClient,
  type Capabilities,
  type Sandbox,
  type SandboxBackend,
  type SandboxSpec,
} from '../../lib/index.js';
import type { ContractSubject, FixturePrograms, TestFramework } from './contract-subject.js';

/** How long a condition may take to come true before the test gives up. */
const deadlineMs = 60_000;
const pollMs = 5;
/** What a test may take: longer than any of its conditions. */
const testMs = 120_000;

/** What one test works with; it ends with the test. */
export class Kit {
  readonly backend: SandboxBackend;
  readonly client: SandboxClient;
  readonly commands: FixturePrograms;
  readonly killsAtOnce: boolean;
  readonly #lacks: readonly (keyof Capabilities)[];
  readonly #over: Subject<void> = new Subject();

  constructor({ commands, create, killsAtOnce = false, lacks = [] }: ContractSubject) {
    this.commands = commands;
    this.killsAtOnce = killsAtOnce;
    this.#lacks = lacks;
    this.backend = create();
    this.client = new SandboxClient(this.backend);
  }

  can(capability: keyof Capabilities): boolean {
    return this.backend.capabilities[capability] && !this.#lacks.includes(capability);
  }

  async open(spec: SandboxSpec = {}): Promise<Sandbox> {
    return this.client.create(spec);
  }

  /** For every stream of a test: one that fails must not leave it running. */
  untilOver<T>(): MonoTypeOperatorFunction<T> {
    return takeUntil(this.#over);
  }

  async end(): Promise<void> {
    this.#over.next();
    for (const { id } of await this.client.list()) {
      await (await this.client.get(id)).delete();
    }
    if (!this.can('snapshots')) return;
    for (const { id } of await this.client.snapshots.list()) await this.client.snapshots.delete(id);
  }
}

/** Where the parts of the contract put their tests. */
export interface ContractSuite {
  readonly expect: TestFramework['expect'];
  describe(name: string, body: () => void): void;
  it(title: string, body: (kit: Kit) => Promise<void>): void;
  /** A test of something that a backend may lack: it then has to refuse, and to name the capability. */
  needs(capability: keyof Capabilities, title: string, test: CapabilityTest): void;
}

/** What a capability gives, and what is refused without it. */
interface CapabilityTest {
  works(kit: Kit): Promise<void>;
  refused(kit: Kit): PromiseLike<unknown>;
}

/** The suite of one subject, on a test framework. */
export function suiteOf(framework: TestFramework, subject: ContractSubject): ContractSuite {
  const kits: Set<Kit> = new Set();
  framework.afterEach(async () => {
    for (const kit of kits) {
      kits.delete(kit);
      await kit.end();
    }
  });
  const it: ContractSuite['it'] = (title, body) => {
    const test = async (): Promise<void> => {
      const kit = new Kit(subject);
      kits.add(kit);
      await body(kit);
    };
    framework.it(title, test, testMs);
  };
  const { describe, expect } = framework;
  return {
    expect,
    describe,
    it,
    needs: (capability, title, { works, refused }) => {
      it(`${title} (${capability})`, async (kit) => {
        if (kit.can(capability)) await works(kit);
        else
          expect(await failureOf(refused(kit))).toMatchObject({
            code: 'ERR_UNSUPPORTED',
            capability,
          });
      });
    },
  };
}

/** Waits for a condition, and says which one when it does not come true. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await elapsed(pollMs);
  }
}

/** Time in which something must not happen. */
export function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** The error of what has to fail. */
export async function failureOf(operation: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await operation;
  } catch (error) {
    return error;
  }
  throw new Error(`it should have failed, but gave ${JSON.stringify(value)}`);
}

/** The numbers from 1 to `last`, a line each. */
export function countedTo(last: number): string {
  return Array.from({ length: last }, (_, index) => `${index + 1}\n`).join('');
}
