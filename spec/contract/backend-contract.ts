import type { ContractSubject, TestFramework } from './contract-subject.js';
import { endingContract } from './ending.js';
import { filesContract } from './files.js';
import { flowContract } from './flow.js';
import { identityContract } from './identity.js';
import { suiteOf } from './kit.js';
import { outputContract } from './output.js';
import { processesContract } from './processes.js';
import { sandboxesContract } from './sandboxes.js';
import { scopesContract } from './scopes.js';
import { servicesContract } from './services.js';
import { snapshotsContract } from './snapshots.js';
import { startContract } from './start.js';
import { stdinContract } from './stdin.js';
import { terminalContract } from './terminal.js';

/**
 * Everything that a backend promises, as tests. What a backend declares that it cannot do, it has to refuse with an
 * `UnsupportedError` that names the capability, so nothing is skipped in silence. A backend is done when it passes.
 *
 * @param framework - `describe`, `it`, `expect` and `afterEach` of Jest, Vitest or the like.
 *
 * @example
 * ```ts
 * import { backendContract, type FixturePrograms, type TestFramework } from 'sandbox-rx/testing';
 * import type { SandboxBackend } from 'sandbox-rx';
 *
 * declare const framework: TestFramework; // { describe, it, expect, afterEach }
 * declare const commands: FixturePrograms; // how your sandboxes reach `cat`, `sleep` and the others
 * declare function myBackend(): SandboxBackend;
 *
 * backendContract(framework, { name: 'mine', commands, create: myBackend });
 * ```
 */
export function backendContract(framework: TestFramework, subject: ContractSubject): void {
  framework.describe(`the contract of ${subject.name}`, () => {
    const suite = suiteOf(framework, subject);
    outputContract(suite);
    startContract(suite);
    stdinContract(suite);
    endingContract(suite);
    flowContract(suite);
    identityContract(suite);
    processesContract(suite);
    terminalContract(suite);
    filesContract(suite);
    sandboxesContract(suite);
    snapshotsContract(suite);
    servicesContract(suite);
    scopesContract(suite);
  });
}
