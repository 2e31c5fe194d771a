import type { Capabilities, SandboxBackend } from '../../lib/index.js';

/** The part of a test framework that the contract uses; Jest's and Vitest's are like this. */
export interface TestFramework {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>, timeoutMs?: number): void;
  afterEach(body: () => Promise<void>): void;
  expect(actual: unknown): {
    toEqual(expected: unknown): void;
    toMatchObject(expected: Readonly<Record<string, unknown>>): void;
  };
}

/** How a backend reaches each program that the contract runs. All of them are some lines of shell, or of script. */
export interface FixturePrograms {
  /** Copies standard input to standard output until EOF. */
  readonly cat: readonly string[];
  /** Exits with status 3 and says nothing. */
  readonly exit3: readonly string[];
  /** Ends itself by SIGKILL. */
  readonly selfKill: readonly string[];
  /** Writes `out\n` to standard output and `err\n` to standard error. */
  readonly echoBoth: readonly string[];
  /** Writes `o1\n e1\n o2\n e2\n o3\n e3\n` (without the spaces): each `o` to standard output, each `e` to standard error. */
  readonly mixed: readonly string[];
  /** Writes the numbers from 1 to 100000, a line each. */
  readonly count: readonly string[];
  /** Writes the numbers from 1 on, a line each, for ever. */
  readonly flood: readonly string[];
  /** Writes `early\n`, and `late\n` after 100 ms. */
  readonly late: readonly string[];
  /** Does nothing for a minute at least; dies of SIGTERM. */
  readonly sleep: readonly string[];
  /** Writes `ready\n`, and from then on only SIGKILL ends it. */
  readonly ignoreTerm: readonly string[];
  /** Writes `ready\n`; at SIGTERM writes `bye\n` and exits with status 5. */
  readonly reportTerm: readonly string[];
  /** Writes `hi\n` and exits with 0, leaving a descendant that holds the output open for a minute. */
  readonly heldOutput: readonly string[];
  /** Exits with 0 at once, leaving a descendant that writes `1\n` to `8\n`, one each 400 ms, and ends. */
  readonly lateChild: readonly string[];
  /** Writes the value of the variable `GREETING`, and `\n`. */
  readonly greeting: readonly string[];
  /** Writes its directory, and `\n`. Started in `/absent`, it fails as a command does whose directory does not exist. */
  readonly pwd: readonly string[];
  /** Reads one line from standard input, writes it, and exits with 0, whatever follows. */
  readonly takeLine: readonly string[];
  /** Writes its terminal's size as `ROWS COLS` and a line end, and again at each change; ends by a signal. */
  readonly terminal: readonly string[];
  /**
   * Serves HTTP on 127.0.0.1, at the port that the variable `PORT` holds, for ever: writes `ready\n` when it listens, and
   * answers each request with `served\n`, to pages of any origin.
   */
  readonly serve: readonly string[];
  /** A command that does not exist. */
  readonly absent: readonly string[];
  /** A file that cannot be executed. */
  readonly notExecutable: readonly string[];
}

/** A backend, as the contract wants it. */
export interface ContractSubject {
  /** What the tests are listed under. */
  readonly name: string;
  readonly commands: FixturePrograms;
  /** What ignores SIGTERM is ended without its grace: the programs are scripts. */
  readonly killsAtOnce?: boolean;
  /** What it refuses although its capabilities name it: a client cannot know what its server lacks. */
  readonly lacks?: readonly (keyof Capabilities)[];
  /** Makes a new backend; called once for each test. */
  create(): SandboxBackend;
}
