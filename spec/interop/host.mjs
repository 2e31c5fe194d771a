// A host over the local backend, for clients that are not ours: `node host.mjs [ISOLATION]` tells its URL, and ends on
// SIGTERM with all that it started. It takes the place of `sandbox-rx serve` until that is there.
import { spawnSync } from 'node:child_process';
import { Host } from '../../dist/host.js';
import { localBackend } from '../../dist/node.js';

const { status } = spawnSync('unshare', [
  ...['--user', '--map-root-user', 'bwrap', '--cap-drop', 'ALL', '--unshare-pid', '--unshare-net'],
  ...['--ro-bind', '/', '/', 'true'],
]);
const isolation = process.argv[2] ?? (status === 0 ? 'bubblewrap' : 'none');
if (isolation === 'none' && process.argv[2] === undefined) {
  const text = 'bubblewrap does not work here, so the host runs without';
  if (process.env.CI) throw new Error(`${text}; CI needs it`);
  process.stderr.write(`${text}: apt-get install bubblewrap\n`);
}
const host = new Host(localBackend({ isolation }));
process.stdout.write(`${await host.listen()}\n`);

process.once('SIGTERM', () => {
  void host.close().then(() => process.exit());
});
