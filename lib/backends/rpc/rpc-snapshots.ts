import { NoSnapshots } from '../../sandbox/no-snapshots.js';

/** The snapshots of sandboxes on a server. */
export const rpcSnapshots: NoSnapshots = new NoSnapshots(
  'this client does not ask for volumes and snapshots yet',
);
