import { localBackend } from '../backends/local/local-backend.js';
import { maxTimerMs } from '../process/validate.js';
import { SandboxClient } from '../sandbox/sandbox-client.js';
import type { SandboxSpec } from '../sandbox/sandbox-spec.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { requireServer, serverClient, type ConnectionOptions } from './connection.js';
import type { SandboxOptions } from './options.js';
import { unlessStopped, untilStopped } from './unless-stopped.js';

/** Where a command finds the sandbox that it works in, and what becomes of it afterwards. */
export interface Place {
  /** Gives nothing where this program is asked to stop before it is there. */
  enter(stop: AbortSignal): Promise<Sandbox | undefined>;
  leave(sandbox: Sandbox): Promise<void>;
}

/** A sandbox that is there, and stays. */
export function sandboxNamed(id: string, connection: ConnectionOptions): Place {
  return {
    enter: async (stop) => {
      const client = new SandboxClient(await requireServer(connection));
      return untilStopped(stop, client.get(id));
    },
    leave: () => Promise.resolve(),
  };
}

/** A sandbox of its own. */
export function newSandbox(options: SandboxOptions, connection: ConnectionOptions): Place {
  const spec = specOf(options);
  return {
    enter: async (stop) => {
      const client = await clientFor(options, connection);
      return unlessStopped(stop, 'sandbox', {
        make: () => client.create(spec),
        undo: leave,
      });
    },
    leave,
  };
}

/** What a sandbox has more than its command, to be made and left in good order. */
const spareMs = 60_000;

/** On a server it would stay for ever where this program dies before it can delete it. */
function specOf({
  network,
  timeout = Infinity,
  lifetime = timeout + spareMs,
}: SandboxOptions): SandboxSpec {
  return {
    ...(network !== undefined && { network }),
    ...(lifetime !== Infinity && { lifetimeMs: Math.min(lifetime, maxTimerMs) }),
  };
}

async function leave(sandbox: Sandbox): Promise<void> {
  await sandbox.delete();
}

async function clientFor(
  { isolation, mount }: SandboxOptions,
  connection: ConnectionOptions,
): Promise<SandboxClient> {
  const client = await serverClient(connection);
  if (client === undefined) {
    return new SandboxClient(
      localBackend({ ...(isolation !== undefined && { isolation }), mounts: mount }),
    );
  }
  // To run it elsewhere, or otherwise than asked for, would be worse than not to run it.
  if (isolation !== undefined || mount.length > 0) {
    throw new Error(
      '--isolation and --mount are for sandboxes of this program, not for those of a server: add --backend local',
    );
  }
  return client;
}
