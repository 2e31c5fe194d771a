import { isIP } from 'node:net';
import { resolve } from 'node:path';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  take,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import {
  SandboxExecutionError,
  SandboxNotFoundError,
  SandboxValidationError,
} from '../../process/errors/errors.js';
import type { ProcessEvent } from '../../process/process-event.js';
import {
  checkBoolean,
  checkOneOf,
  checkRecord,
  refuse,
  checkText,
  requireText,
} from '../../process/validate.js';
import type {
  Capabilities,
  ExecRequest,
  SandboxBackend,
  SignalRequest,
} from '../../sandbox/backend.js';
import { EmbeddedBackend } from '../../sandbox/embedded-backend.js';
import type { EngineFiles, SandboxEngine } from '../../sandbox/sandbox-engine.js';
import { NoSnapshots } from '../../sandbox/no-snapshots.js';
import type { SandboxSpec, ServiceAddress, ServicePort } from '../../sandbox/sandbox-spec.js';
import { shellFiles } from '../../sandbox/shell-files.js';
import type { LocalBox } from './box.js';
import { LocalSnapshots, type Spawn } from './local-snapshots.js';
import { SnapshotStore } from './snapshot-store.js';
import type { Mount } from './bubblewrap-arguments.js';
import { openBubblewrapBox } from './bubblewrap-box.js';
import { runChild } from './child-run.js';
import type { Keeper } from './keeper.js';
import { madeWhole } from './made-whole.js';
import { openFailure } from './open-failure.js';
import { openPlainBox } from './plain-box.js';
import { exposed, type Exposure } from './services.js';
import { signalNumber } from './signals.js';
import { hasTerminals } from './stdio.js';

/** Options for {@link localBackend}. */
export interface LocalBackendOptions {
  /**
   * `'bubblewrap'`: each sandbox is a container that sees the system read-only and nothing else of the host.
   * `'none'`: plain child processes, which can do whatever this program can; for trusted commands. Default
   * `'bubblewrap'`.
   */
  readonly isolation?: 'bubblewrap' | 'none';
  /** Directories of this machine that sandboxes see, read-only unless they say otherwise. Default: none. */
  readonly mounts?: readonly Mount[];
  /**
   * The directory of this machine in which snapshots are kept, a file each; made if it is missing. Programs may share it,
   * one after another or at the same time. Default: none; then sandboxes have no volumes.
   */
  readonly snapshotDirectory?: string;
  /**
   * The address of this machine at which the services of sandboxes are reached. Default `127.0.0.1`: whoever can log in here.
   * They ask for no token, and so at another address whoever reaches that.
   */
  readonly serviceAddress?: string;
}

/**
 * Sandboxes on this machine. Nothing of them is left when they are deleted, or when this program ends in any way.
 *
 * With `'bubblewrap'`, commands see the system's programs read-only, a home and a `/tmp` of the sandbox's own in
 * memory, and no process, home, socket or network of the host. With `'none'`, a sandbox is a temporary directory, and
 * commands inherit this program's environment.
 *
 * @throws {@link SandboxValidationError} at once, for bad options. Creating a sandbox where bubblewrap is missing or not
 * permitted fails with code `ERR_BACKEND_UNAVAILABLE`, and says what to install.
 * @see {@link https://github.com/containers/bubblewrap | bubblewrap}
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * const client = new SandboxClient(localBackend());
 * const sandbox = await client.create({ limits: { memoryBytes: 512 * 1024 * 1024, processes: 64 } });
 * console.log((await sandbox.exec(['ls', '/root'])).returncode); // 0
 * await sandbox.delete();
 * ```
 */
export function localBackend(options: LocalBackendOptions = {}): SandboxBackend {
  checkRecord('options', options);
  checkOneOf('isolation', options.isolation, ['bubblewrap', 'none']);
  const { isolation = 'bubblewrap', mounts = [], snapshotDirectory } = options;
  const { serviceAddress = '127.0.0.1' } = options;
  checkMounts(mounts);
  checkText('snapshotDirectory', snapshotDirectory);
  if (snapshotDirectory === '') refuse('snapshotDirectory', 'a path', snapshotDirectory);
  if (isolation === 'none' && mounts.length > 0) {
    throw new SandboxValidationError(
      "mounts need isolation: 'bubblewrap'; without isolation, everything is there",
    );
  }
  checkServiceAddress(serviceAddress);
  return new EmbeddedBackend(
    new LocalEngine({ isolation, mounts, snapshotDirectory, serviceAddress }),
  );
}

/** One at which others can reach it: those that stand for all addresses are none. */
function checkServiceAddress(address: string): void {
  requireText('serviceAddress', address);
  if (isIP(address) === 0 || /^[0:.]+$/.test(address))
    refuse('serviceAddress', 'the IP address of one interface', address);
}

function checkMounts(mounts: readonly Mount[]): void {
  if (!Array.isArray(mounts)) refuse('mounts', 'an array', mounts);
  const targets: Set<string> = new Set();
  for (const [index, mount] of (mounts as readonly Mount[]).entries()) {
    checkRecord(`mounts[${index}]`, mount);
    const { source, target = source, writable } = mount;
    for (const path of [source, target]) {
      requireText(`mounts[${index}]`, path);
      if (!path.startsWith('/')) refuse(`mounts[${index}]`, 'absolute paths', path);
    }
    checkBoolean(`mounts[${index}].writable`, writable);
    if (targets.has(resolve(target))) refuse(`mounts[${index}]`, 'at a target of its own', target);
    targets.add(resolve(target));
  }
}

/** Options of the backend, with every default filled in. */
interface LocalEngineOptions {
  readonly isolation: 'bubblewrap' | 'none';
  readonly mounts: readonly Mount[];
  readonly snapshotDirectory: string | undefined;
  readonly serviceAddress: string;
}

const nowhereToKeep =
  'this backend has nowhere to keep snapshots: give localBackend a snapshotDirectory, or leave the volumes out';

class LocalEngine implements SandboxEngine<LocalBox> {
  readonly name: string = 'local';
  readonly capabilities: Omit<Capabilities, 'logOptions'>;
  readonly files: EngineFiles<LocalBox>;
  readonly snapshots: LocalSnapshots | NoSnapshots;
  readonly #mounts: readonly Mount[];
  readonly #serviceAddress: string;
  readonly #exposures: WeakMap<LocalBox, Exposure> = new WeakMap();

  constructor({ isolation, mounts, snapshotDirectory, serviceAddress }: LocalEngineOptions) {
    this.#mounts = mounts;
    this.#serviceAddress = serviceAddress;
    this.capabilities = {
      tty: hasTerminals(),
      signals: true,
      attach: true,
      processes: true,
      files: true,
      snapshots: snapshotDirectory !== undefined,
      services: true,
      backpressure: true,
      isolation: isolation === 'bubblewrap',
    };
    const helper: Spawn = (box, request, purpose) =>
      this.spawn(box, fromHome(box, request), purpose);
    this.files = shellFiles((box, request) => helper(box, request));
    this.snapshots =
      snapshotDirectory === undefined
        ? new NoSnapshots(nowhereToKeep)
        : new LocalSnapshots(new SnapshotStore(resolve(snapshotDirectory)), helper);
  }

  open(id: string, spec: SandboxSpec): Observable<LocalBox> {
    return this.#made(id, spec).pipe(
      catchError((error: unknown) => throwError(() => openFailure(error))),
    );
  }

  #made(id: string, spec: SandboxSpec): Observable<LocalBox> {
    const box$ = this.capabilities.isolation
      ? openBubblewrapBox(spec, this.#mounts)
      : openPlainBox(spec);
    const { snapshots } = this;
    const restored$ =
      snapshots instanceof NoSnapshots
        ? box$
        : snapshots.restored(box$, { id, volumes: spec.volumes });
    const { services = [] } = spec;
    return services.length === 0
      ? restored$
      : restored$.pipe(mergeMap((box) => madeWhole(box, this.#expose(box, services))));
  }

  services(box: LocalBox): readonly ServiceAddress[] {
    return this.#exposures.get(box)?.addresses ?? [];
  }

  died(box: LocalBox): Observable<string> {
    return merge(box.died$, this.#relayOf(box)?.died$ ?? NEVER);
  }

  close(box: LocalBox): Observable<never> {
    const { close$, runs } = box;
    // What waits outside for a command in the sandbox may go a moment later than the sandbox.
    return concat(
      merge(close$, this.#relayOf(box)?.close$ ?? EMPTY),
      defer(() => merge(...runs.items().map(({ ended$ }) => ended$))),
    );
  }

  #expose(box: LocalBox, services: readonly ServicePort[]): Observable<never> {
    return exposed(box, { services, address: this.#serviceAddress }).pipe(
      tap((exposure) => this.#exposures.set(box, exposure)),
      ignoreElements(),
    );
  }

  #relayOf(box: LocalBox): Keeper | undefined {
    return this.#exposures.get(box)?.relay;
  }

  spawn(box: LocalBox, request: ExecRequest, purpose?: 'restore'): Observable<ProcessEvent> {
    return runChild(request, () => box.launch(request, purpose), box.runs);
  }

  signal({ runs }: LocalBox, { runId, signal }: SignalRequest): Observable<never> {
    return defer(() => {
      signalNumber(signal);
      return timer(0, launchPollMs).pipe(
        map(() => targetOf(runs, runId)),
        filter((pid) => pid !== undefined),
        take(1),
        tap((pid) => {
          sendSignal(pid, { runId, signal });
        }),
        ignoreElements(),
      );
    });
  }
}

/** A command that works on files: it starts at home, and finds its tools where this program finds its own. */
function fromHome({ home: cwd }: LocalBox, request: ExecRequest): ExecRequest {
  const path = `${request.env['PATH'] ?? ''}:${process.env['PATH'] ?? ''}`;
  return { ...request, cwd, env: { ...request.env, PATH: path } };
}

/** What enters the sandbox and looks the command up takes some milliseconds. */
const launchPollMs = 5;

/** Sends a signal to a process that may have ended meanwhile. */
function sendSignal(pid: number, { runId, signal }: Pick<SignalRequest, 'runId' | 'signal'>): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    throw processOver(runId, cause);
  }
}

/** The process that the command became, or undefined as long as it has not. */
function targetOf(runs: LocalBox['runs'], runId: string): number | undefined {
  const run = runs.items().find(({ id }) => id === runId);
  if (run === undefined) throw new SandboxNotFoundError(`there is no live run ${runId}`, { runId });
  if (run.pid === undefined) throw processOver(runId);
  return run.command;
}

function processOver(runId: string, cause?: unknown): SandboxExecutionError {
  const message = 'there is nothing to send a signal to: the process is over';
  return new SandboxExecutionError('process_over', message, { cause, runId });
}
