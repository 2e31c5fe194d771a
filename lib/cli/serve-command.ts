import { Option, type Command } from 'commander';
import type { LocalBackendOptions } from '../backends/local/local-backend.js';
import { connectionOf } from './connection.js';
import { duration, wholeNumber } from './option-values.js';

/** What `sandbox-rx serve` understands. */
export interface ServeOptions {
  readonly backend: 'local';
  readonly isolation: NonNullable<LocalBackendOptions['isolation']>;
  readonly address?: string;
  readonly port: number;
  readonly tokenFile?: string;
  readonly scopedTokenKey?: string;
  /** Milliseconds. */
  readonly maxScopedTtl?: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly insecure?: boolean;
  readonly metricsAddress?: string;
  readonly metricsPort?: number;
  readonly serveMetrics?: boolean;
  readonly serviceAddress?: string;
  readonly origin?: readonly string[];
  readonly maxSandboxes?: number;
  readonly maxSandboxesPerToken?: number;
  readonly maxSnapshots?: number;
  readonly maxSnapshotsPerToken?: number;
  readonly maxRuns?: number;
  readonly maxRunsPerToken?: number;
  readonly maxStreams?: number;
  readonly maxStreamsPerToken?: number;
  readonly maxMessageBytes?: number;
  readonly maxStdinBytes?: number;
  readonly maxFrameBytes?: number;
  readonly maxTunnels?: number;
  readonly maxTunnelsPerToken?: number;
  /** Milliseconds. */
  readonly retention?: number;
  readonly logBytes?: number;
  readonly data?: string;
  /** Milliseconds. */
  readonly grace: number;
  readonly logLevel: string;
  readonly json?: boolean;
}

/** `sandbox-rx serve`: a host in the foreground, until a signal drains it. */
export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('serve sandboxes to clients of coreweave.sandbox.v1 over gRPC and WebSocket')
    .addOption(
      new Option('--backend <name>', 'where sandboxes live').choices(['local']).default('local'),
    )
    .addOption(
      new Option(
        '--isolation <kind>',
        "'none' runs plain child processes: for trusted callers only",
      )
        .choices(['bubblewrap', 'none'])
        .default('bubblewrap'),
    )
    .option('--address <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on; 0: one that is free', wholeNumber, 50_051)
    .option(
      '--token-file <path>',
      "tokens, one name:token a line, with ' admin' behind it for admins (default: $SANDBOX_RX_TOKENS)",
    )
    .option(
      '--scoped-token-key <path>',
      "what tokens of 'sandbox-rx token' are signed with, so that they outlive this process: a file of at least 32 random bytes (default: a new key)",
    )
    .option(
      '--max-scoped-ttl <duration>',
      'how long these may be good for (default: 24h)',
      duration,
    )
    .option('--tls-cert <path>', 'certificate chain of this host, PEM')
    .option('--tls-key <path>', 'private key of --tls-cert, PEM')
    .option('--client-ca <path>', 'authorities whose certificates clients must have, PEM')
    .option(
      '--origin <origins...>',
      'origins whose pages may connect, such as https://dashboard.example (default: none)',
    )
    .option('--insecure', 'listen beyond loopback without tokens and TLS');
  addLimitOptions(command)
    .option('--metrics-address <address>', 'address of the metrics (default: 127.0.0.1)')
    .option('--metrics-port <number>', 'serve /metrics and /healthz over HTTP here', wholeNumber)
    .option('--serve-metrics', 'serve /metrics at --port too, to callers with a token')
    .option(
      '--service-address <address>',
      'address at which published ports of sandboxes are reached, by whoever reaches it (default: 127.0.0.1)',
    )
    .option(
      '--data <dir>',
      'write sandboxes, snapshots and templates down here, to know them again after a restart; without it there are no volumes and snapshots (default: nowhere)',
    )
    .option(
      '--retention <duration>',
      'how long ended sandboxes can be asked for (default: 1h)',
      duration,
    )
    .option(
      '--log-bytes <number>',
      "how much of a main command's output is kept for 'sandbox-rx logs' (default: 4194304)",
      wholeNumber,
    )
    .option(
      '--grace <duration>',
      'what calls are given to end after SIGTERM (default: 30s)',
      duration,
      30_000,
    )
    .addOption(
      new Option('--log-level <level>', 'what is logged, as JSON on stderr')
        .choices(['info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .option('--json', 'print where it listens as JSON')
    .addHelpText('after', `\n${help}`)
    // What it needs would make the other commands start late.
    .action(async (options: ServeOptions) => {
      refuseConnection(command, program);
      await (await import('./serve.js')).serve(options);
    });
}

/** Options that stand before the command's name are the program's, which has others by the same names. */
function refuseConnection(command: Command, program: Command): void {
  const { backend, ...given } = connectionOf(program);
  const [name] = backend === 'grpc' ? ['backend'] : Object.keys(given);
  if (name === undefined) return;
  command.error(
    `error: --${name} says how to reach a server, and serve is one: leave it out; what serve has is --address, --port,` +
      ' --tls-cert, --tls-key and --client-ca',
  );
}

const help = `SIGTERM and SIGINT drain it: new calls are refused, what goes on may end within --grace, and then all
sandboxes are deleted. A second one ends it at once.

Example: SANDBOX_RX_TOKENS='me:secret' sandbox-rx serve --port 50051`;

function addLimitOptions(command: Command): Command {
  return command
    .option('--max-sandboxes <number>', 'live sandboxes (default: no limit)', wholeNumber)
    .option('--max-sandboxes-per-token <number>', 'the same, for each token', wholeNumber)
    .option('--max-snapshots <number>', 'snapshots kept (default: no limit)', wholeNumber)
    .option('--max-snapshots-per-token <number>', 'the same, for each token', wholeNumber)
    .option('--max-runs <number>', 'runs at a time (default: no limit)', wholeNumber)
    .option('--max-runs-per-token <number>', 'the same, for each token', wholeNumber)
    .option('--max-streams <number>', 'open streams (default: no limit)', wholeNumber)
    .option('--max-streams-per-token <number>', 'the same, for each token', wholeNumber)
    .option('--max-tunnels <number>', 'open WebSockets (default: 1024)', wholeNumber)
    .option('--max-tunnels-per-token <number>', 'the same, for each token', wholeNumber)
    .option('--max-message-bytes <number>', 'largest message (default: 104857600)', wholeNumber)
    .option('--max-stdin-bytes <number>', 'waiting input of a run (default: 33554432)', wholeNumber)
    .option('--max-frame-bytes <number>', 'output in one message (default: 524288)', wholeNumber);
}
