import type { TestFramework } from '../contract/contract-subject.js';

/** A test of the contract that waits to be run. */
export interface ContractTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Collects tests in place of a test framework; what they leave is ended after each. */
export class Collected implements TestFramework {
  readonly tests: ContractTest[] = [];
  readonly #path: string[] = [];
  readonly #after: (() => Promise<void>)[] = [];

  readonly describe = (name: string, body: () => void): void => {
    this.#path.push(name);
    body();
    this.#path.pop();
  };

  readonly it = (name: string, body: () => Promise<void>): void => {
    const run = async (): Promise<void> => {
      try {
        await body();
      } finally {
        for (const after of this.#after) await after();
      }
    };
    this.tests.push({ name: [...this.#path, name].join(' > '), run });
  };

  readonly afterEach = (body: () => Promise<void>): void => {
    this.#after.push(body);
  };

  readonly expect = (actual: unknown): ReturnType<TestFramework['expect']> => ({
    toEqual: (expected) => {
      hold(isEqual(actual, expected), { actual, expected });
    },
    toMatchObject: (expected) => {
      hold(isMatch(actual, expected), { actual, expected });
    },
  });
}

function hold(isTrue: boolean, seen: { actual: unknown; expected: unknown }): void {
  if (!isTrue) throw new Error(`not as expected: ${JSON.stringify(seen)}`);
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** As Jest's: fields that are undefined are as none. */
function isEqual(one: unknown, other: unknown): boolean {
  if (!isObject(one) || !isObject(other)) return Object.is(one, other);
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => isEqual(one[name], other[name]));
}

function isMatch(actual: unknown, expected: unknown): boolean {
  if (!isObject(actual) || !isObject(expected)) return Object.is(actual, expected);
  if (Array.isArray(expected) && (!Array.isArray(actual) || actual.length !== expected.length))
    return false;
  return Object.entries(expected).every(([name, value]) => isMatch(actual[name], value));
}
