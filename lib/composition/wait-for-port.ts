import { defer, filter, map, repeat, take, timer, type SchedulerLike } from 'rxjs';
import { waitFor, type WaitOptions } from '../process/operation-ref.js';
import {
  checkInteger,
  checkRecord,
  checkScheduler,
  maxTimerMs,
  refuse,
  requireInteger,
} from '../process/validate.js';
import { Sandbox } from '../sandbox/sandbox.js';

/** Options for {@link waitForPort}. */
export interface WaitForPortOptions extends WaitOptions {
  /** From one look to the next, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /** Where that time comes from. Default: `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** The kernel's list of TCP sockets; there is no second one where IPv6 is switched off. */
const listSockets = ['cat', '/proc/net/tcp', '/proc/net/tcp6'];
/** How it says that a socket listens. */
const listening = '0A';

/**
 * Waits until something in a sandbox listens at a TCP port, at whatever address. It does not connect: it reads the kernel's
 * list of sockets with `cat /proc/net/tcp`, so it needs no tools and disturbs no server, and works on every backend whose
 * sandboxes are Linux systems. Without isolation, the sockets are those of the machine.
 *
 * @param port - From 1 to 65535.
 * @throws {@link SandboxValidationError} (rejection) for a bad argument.
 * @throws {@link TimeoutError} (rejection) when `timeoutMs` is up, {@link CancelledError} when `signal` is aborted. Without
 * either it waits for ever.
 * @throws the error of the sandbox (rejection), where no command can be run in it.
 *
 * @example
 * ```ts
 * import { waitForPort, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const server = sandbox.exec(['python3', '-m', 'http.server', '8080']);
 * await waitForPort(sandbox, 8080, { timeoutMs: 10_000 });
 * ```
 */
export async function waitForPort(
  sandbox: Sandbox,
  port: number,
  options: WaitForPortOptions = {},
): Promise<void> {
  if (!(sandbox instanceof Sandbox)) refuse('sandbox', 'a Sandbox', sandbox);
  requireInteger('port', port, { min: 1, max: 65_535 });
  checkRecord('options', options);
  const { intervalMs = 100, scheduler, ...wait } = options;
  checkInteger('intervalMs', intervalMs, { min: 1, max: maxTimerMs });
  checkScheduler('scheduler', scheduler);
  const look$ = defer(() => sandbox.run$(listSockets)).pipe(
    map(({ stdout }) => isListening(stdout, port)),
  );
  const open$ = look$.pipe(
    repeat({ delay: () => timer(intervalMs, scheduler) }),
    filter((isOpen) => isOpen),
    take(1),
    map(() => undefined),
  );
  return waitFor(open$, wait);
}

/** Each line has its number, the local address and port, the remote ones, and the state, in hexadecimal. */
function isListening(sockets: string, port: number): boolean {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return sockets.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return state === listening && local?.endsWith(ending) === true;
  });
}
