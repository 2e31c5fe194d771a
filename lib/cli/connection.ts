import { readFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import type { ConnectedBackend } from '../backends/rpc/connect-options.js';
import type { GrpcBackendOptions } from '../backends/rpc/grpc/grpc-backend.js';
import { SandboxClient } from '../sandbox/sandbox-client.js';

/** Where the sandboxes are. */
export interface ConnectionOptions extends Certificates {
  readonly url?: string;
  readonly backend?: 'local' | 'grpc';
}

/** Paths of PEM files: whom to trust, and who we are. */
interface Certificates {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Adds the options of {@link ConnectionOptions}. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'the server: http://HOST:PORT or https://HOST[:PORT]; of a host also ws://HOST:PORT or wss://HOST[:PORT], whose runs' +
        ' outlive a connection that breaks (default: the environment variable CWSANDBOX_BASE_URL)',
    )
    .addOption(
      new Option(
        '--backend <kind>',
        "'local': sandboxes of this program itself; 'grpc': those of a server (default: grpc where there is a URL, else local)",
      ).choices(['local', 'grpc']),
    )
    .option('--ca <path>', 'authorities to trust as the server, PEM (default: those of Node)')
    .option('--cert <path>', 'certificate of this client, for a server that wants one, PEM')
    .option('--key <path>', 'private key of --cert, PEM');
}

/** As given before the command's name or after it; what stands after it wins. */
export function connectionOf(command: Command): ConnectionOptions {
  const before = command.parent === null ? {} : connectionOf(command.parent);
  const given: ConnectionOptions = { ...before, ...command.opts() };
  const names = ['url', 'backend', 'ca', 'cert', 'key'] as const;
  return Object.fromEntries(
    names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]),
  );
}

/** How to reach the server, or nothing where the sandboxes are this program's own. */
function targetOf(options: ConnectionOptions): GrpcBackendOptions | undefined {
  const { backend } = options;
  const url = options.url ?? process.env['CWSANDBOX_BASE_URL'] ?? '';
  if (backend !== 'local' && (backend === 'grpc' || url !== '')) {
    return { ...tlsOf(options), ...(url !== '' && { url }) };
  }
  for (const name of ['url', 'ca', 'cert', 'key'] as const) {
    if (options[name] !== undefined)
      throw new Error(`--${name} is for --backend grpc, not for --backend local`);
  }
  return undefined;
}

function tlsOf({ ca, cert, key }: Certificates): Pick<GrpcBackendOptions, 'tls'> {
  if ((cert === undefined) !== (key === undefined))
    throw new Error('give --cert and --key together');
  if (ca === undefined && cert === undefined) return {};
  return {
    tls: {
      ...(ca !== undefined && { rootCertificates: readFileSync(ca) }),
      ...(cert !== undefined && { clientCertificate: readFileSync(cert) }),
      ...(key !== undefined && { clientKey: readFileSync(key) }),
    },
  };
}

/** A client of the server, or nothing where the sandboxes are this program's own. */
export async function serverClient(options: ConnectionOptions): Promise<SandboxClient | undefined> {
  const backend = await serverBackend(options);
  return backend && new SandboxClient(backend);
}

/** What only a server needs is not loaded without one. */
async function connected({ url = '', ...target }: GrpcBackendOptions): Promise<ConnectedBackend> {
  if (!/^wss?:/i.test(url)) {
    const { grpcBackend } = await import('../backends/rpc/grpc/grpc-backend.js');
    return grpcBackend({ ...target, ...(url !== '' && { url }) });
  }
  const { websocketBackend } = await import('../backends/rpc/ws/websocket-backend.js');
  const backend = websocketBackend({ ...target, url });
  // Else the host would keep what belongs to the connection for a while, for this program to come back.
  process.once('exit', () => {
    backend.close();
  });
  return backend;
}

/** The server, for what needs sandboxes that outlive this program. */
export async function requireServer(options: ConnectionOptions): Promise<ConnectedBackend> {
  const backend = await serverBackend(options);
  if (backend !== undefined) return backend;
  throw new Error(
    "sandboxes of this program end with it, so this needs a server: start one by 'sandbox-rx serve', and give its" +
      " address by --url or CWSANDBOX_BASE_URL ('sandbox-rx run' and 'sandbox-rx shell' need none)",
  );
}

async function serverBackend(options: ConnectionOptions): Promise<ConnectedBackend | undefined> {
  const target = targetOf(options);
  return target && connected(target);
}
