// @ts-check
// The built package, as a user imports it; SANDBOX_RX_DIST names another build to measure.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const { SANDBOX_RX_DIST: other } = process.env;

/**
 * @param {string} file
 * @returns {Promise<any>}
 */
const otherBuild = (file) => import(pathToFileURL(resolve(String(other), file)).href);

export const {
  lines,
  Process,
  runAll,
  Sandbox,
  SandboxClient,
  SandboxPool,
  stdout,
  through,
  toSummary,
} = await (other ? otherBuild('index.js') : import('sandbox-rx'));
export const { grpcBackend, localBackend, websocketBackend } = await (other
  ? otherBuild('node.js')
  : import('sandbox-rx/node'));
export const { Host } = await (other ? otherBuild('host.js') : import('sandbox-rx/host'));
export const { exit, memoryBackend, out } = await (other
  ? otherBuild('testing.js')
  : import('sandbox-rx/testing'));

/** A sandbox for plain child processes. */
export async function plainSandbox() {
  return new SandboxClient(localBackend({ isolation: 'none' })).create();
}
