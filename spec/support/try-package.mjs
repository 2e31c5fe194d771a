// Tries the installed package as a stranger would, in ESM: `node try-package.mjs` beside its node_modules.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as core from 'sandbox-rx';
import * as host from 'sandbox-rx/host';
import * as node from 'sandbox-rx/node';
import * as testing from 'sandbox-rx/testing';
import tryPackage from './try-package.cjs';

await tryPackage({ core, node, host, testing });

// Both kinds in one program are two copies of the package: the same names, and errors that know each other.
const require = createRequire(import.meta.url);
const copies = [
  [core, require('sandbox-rx')],
  [node, require('sandbox-rx/node')],
  [host, require('sandbox-rx/host')],
  [testing, require('sandbox-rx/testing')],
];
for (const [esm, cjs] of copies) assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
const error = new (require('sandbox-rx').SandboxValidationError)('of the other copy');
assert(error instanceof core.SandboxValidationError && !(error instanceof core.TimeoutError));

console.log(`ESM on Node ${process.versions.node}: it works`);
