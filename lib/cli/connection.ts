import { Option, type Command } from 'commander';
import type { GrpcBackendOptions } from '../backends/rpc/grpc/grpc-backend.js';
import { SandboxClient } from '../sandbox/sandbox-client.js';

/** Where the sandboxes are. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly backend?: 'local' | 'grpc';
}

/** Adds the options of {@link ConnectionOptions}. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'the server: http://HOST:PORT or https://HOST[:PORT] (default: the environment variable CWSANDBOX_BASE_URL)',
    )
    .addOption(
      new Option(
        '--backend <kind>',
        "'local': sandboxes of this program itself; 'grpc': those of a server (default: grpc where there is a URL, else local)",
      ).choices(['local', 'grpc']),
    );
}

/** As given before the command's name or after it; what stands after it wins. */
export function connectionOf(command: Command): ConnectionOptions {
  const before = command.parent === null ? {} : connectionOf(command.parent);
  const { url, backend }: ConnectionOptions = { ...before, ...command.opts() };
  return { ...(url !== undefined && { url }), ...(backend !== undefined && { backend }) };
}

/** How to reach the server, or nothing where the sandboxes are this program's own. */
function targetOf({ url, backend }: ConnectionOptions): GrpcBackendOptions | undefined {
  if (backend === 'local') {
    if (url !== undefined) throw new Error('--url is for --backend grpc, not for --backend local');
    return undefined;
  }
  const usual = process.env['CWSANDBOX_BASE_URL'] ?? '';
  if (url !== undefined || usual !== '') return { url: url ?? usual };
  return backend === 'grpc' ? {} : undefined;
}

/** A client of the server, or nothing where the sandboxes are this program's own. */
export async function serverClient(options: ConnectionOptions): Promise<SandboxClient | undefined> {
  const target = targetOf(options);
  if (target === undefined) return undefined;
  // What only a server needs is not loaded without one.
  const { grpcBackend } = await import('../backends/rpc/grpc/grpc-backend.js');
  return new SandboxClient(grpcBackend(target));
}

/** A client for what needs sandboxes that outlive this program. */
export async function requireServer(options: ConnectionOptions): Promise<SandboxClient> {
  const client = await serverClient(options);
  if (client !== undefined) return client;
  throw new Error(
    "sandboxes of this program end with it, so this needs a server: start one by 'sandbox-rx serve', and give its" +
      " address by --url or CWSANDBOX_BASE_URL ('sandbox-rx run' and 'sandbox-rx shell' need none)",
  );
}
