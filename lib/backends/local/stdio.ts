import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Readable, Writable } from 'node:stream';
import { UnsupportedError } from '../../process/errors/errors.js';
import type { WindowSize } from '../../process/process-controls.js';
import type { OutputStream } from '../../process/process-event.js';

/** How a run's standard streams are connected: by pipes or by a terminal. */
export interface RunStdio {
  /** For `spawn`, without the pipe on which a failure to start is told. */
  readonly options: readonly ChildFd[];
  /** What the process writes, once it was spawned. */
  outputs(child: ChildProcess): readonly (readonly [OutputStream, Readable])[];
  stdin(child: ChildProcess): Writable | null;
  resize(size: WindowSize): void;
  /** The process has ended and its output is quiet: let go of what would keep it from reaching its end. */
  release(): void;
  /** Lets go of everything. */
  dispose(): void;
}

/** Pipes; standard input is empty where nothing is to be written. */
export function pipes(withStdin: boolean): RunStdio {
  return {
    options: [withStdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    outputs: ({ stdout, stderr }) => [
      ...(stdout === null ? [] : [['stdout', stdout] as const]),
      ...(stderr === null ? [] : [['stderr', stderr] as const]),
    ],
    stdin: (child) => child.stdin,
    resize: ignore,
    release: ignore,
    dispose: ignore,
  };
}

/** The part of node-pty's `open` that is used; it is public but missing from its typings. */
interface OpenTerminal {
  readonly master: Readable & Writable;
  readonly slave: Readable;
  readonly fd: number;
  readonly ptsName: string;
  resize(cols: number, rows: number): void;
}

const requireFromHere = createRequire(import.meta.url);
const ptyPackage = '@lydell/node-pty';

/** Whether terminals can be had: their package is optional. */
export function hasTerminals(): boolean {
  try {
    requireFromHere.resolve(ptyPackage);
    return true;
  } catch {
    return false;
  }
}

/** The master sides that are open: node-pty leaves them open across `execve(2)`, for every child to inherit. */
const openMasters: Set<number> = new Set();
let inherited: readonly number[] | undefined;
let nullDevice: number | undefined;

/** What one file descriptor of a child can be given as. */
export type ChildFd = number | 'pipe' | 'ignore';

/**
 * The `stdio` of a child that gets nothing but what it is given: `/dev/null` takes the place of terminals that belong to
 * other runs and, where the child is to be `isolated`, of whatever this program itself inherited.
 */
export function onlyThese(given: readonly ChildFd[], isolated: boolean): ChildFd[] {
  const stdio = given.slice();
  const foreign = isolated ? [...openMasters, ...(inherited ??= inheritedFds())] : openMasters;
  for (const fd of foreign) {
    while (stdio.length <= fd) stdio.push('ignore');
    if (fd >= given.length) stdio[fd] = nullDevice ??= openSync('/dev/null', constants.O_RDWR);
  }
  return stdio;
}

const closeOnExec = 0o2000000;

/** The file descriptors that this program would hand on without knowing: Node marks those that it opens itself. */
function inheritedFds(): readonly number[] {
  return readdirSync('/proc/self/fdinfo')
    .map(Number)
    .filter((fd) => fd > 2 && !openMasters.has(fd) && !(flagsOf(fd) & closeOnExec));
}

function flagsOf(fd: number): number {
  try {
    const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    return Number.parseInt(flags ?? '', 8);
  } catch {
    // It was the one that listed the directory.
    return closeOnExec;
  }
}

/**
 * A pseudoterminal. Its slave side is held open here until the process has ended and its output has been read: the
 * kernel throws away what was not read when the last one closes it.
 */
export function terminal({ rows, cols }: WindowSize): RunStdio {
  const opened = openTerminal({ rows, cols });
  const { master, slave, fd, ptsName } = opened;
  openMasters.add(fd);
  master.once('close', () => openMasters.delete(fd));
  let held: number | undefined = openSync(ptsName, constants.O_RDWR | constants.O_NOCTTY);
  slave.destroy();
  closeOthers(ptsName, held);
  const release = (): void => {
    if (held !== undefined) closeSync(held);
    held = undefined;
  };
  return {
    options: [held, held, held],
    outputs: () => [['stdout', master]],
    stdin: () => master,
    resize: (size) => {
      opened.resize(size.cols, size.rows);
    },
    release,
    dispose: () => {
      release();
      master.destroy();
    },
  };
}

/** Closes what node-pty leaves open of the slave side when its stream is destroyed: libuv works on a second opening. */
function closeOthers(ptsName: string, kept: number): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd !== kept && targetOf(fd) === ptsName) closeSync(fd);
  }
}

function targetOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

function openTerminal({ rows, cols }: WindowSize): OpenTerminal {
  let pty: { open(options: object): OpenTerminal };
  try {
    pty = requireFromHere(ptyPackage) as typeof pty;
  } catch (cause) {
    throw new UnsupportedError(
      'tty',
      `a terminal needs the package ${ptyPackage}: npm install ${ptyPackage}`,
      { cause },
    );
  }
  const opened = pty.open({ rows, cols, encoding: null });
  return {
    master: opened.master,
    slave: opened.slave,
    fd: opened.fd,
    ptsName: opened.ptsName,
    resize: opened.resize.bind(opened),
  };
}

function ignore(): void {
  // Pipes have no size, and Node closes them.
}
