import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The variable that every process of a run carries, and hands down to what it starts. */
export const runVariable = 'SANDBOX_RX_RUN';

/** From one look for survivors to the next while a tree is being ended. */
const pollMs = 20;
/** A tree that keeps forking is looked for again this often before others get a turn. */
const maxRounds = 50;

/** A run's processes: those below `root`, and those that are in its space or carry its mark, wherever they went. */
export interface ProcessTree {
  /** The process that was started; undefined as soon as it has ended, because its id may then be another's. */
  root(): number | undefined;
  /** Value of {@link runVariable} in the environment of the run. */
  readonly mark: string;
  /** The run's own cgroup namespace, where it has one and that is known by now. */
  space(): string | undefined;
  /** Whether `root` only waits for the command and goes when it goes. */
  readonly isHelper: boolean;
}

/**
 * Ends every process of a tree: `signal` first, SIGKILL when `graceMs` are over. Calls back when none is left.
 *
 * A process leaves its tree by a double fork, but not its environment, where the mark stays readable in `/proc`. It may
 * clear that, but without privileges it cannot leave its namespaces.
 *
 * @see {@link https://man7.org/linux/man-pages/man5/proc_pid_environ.5.html | proc_pid_environ(5)}
 * @see {@link https://man7.org/linux/man-pages/man7/cgroup_namespaces.7.html | cgroup_namespaces(7)}
 */
export function endTree(
  tree: ProcessTree,
  { signal, graceMs }: { readonly signal: string; readonly graceMs: number },
  done: () => void,
): void {
  const deadline = performance.now() + graceMs;
  let signalled = false;
  const look = (): void => {
    const inGrace = performance.now() < deadline;
    const left = inGrace ? membersOf(tree) : killAll(tree);
    if (left.length === 0 && !mayStillStart(tree)) {
      done();
      return;
    }
    // Once: what they start in order to clean up is left to do that. One that is stopped has to go on to hear it.
    if (inGrace && !signalled) for (const sent of [signal, 'SIGCONT']) send(left, sent);
    signalled ||= left.length > 0;
    setTimeout(look, pollMs);
  };
  look();
}

/** While the one that waits outside the sandbox is there, it may still put the command into it. */
function mayStillStart(tree: ProcessTree): boolean {
  return tree.isHelper && tree.root() !== undefined;
}

/** Ends every process of a tree now, by SIGKILL; returns those that are still there. */
export function killAll(tree: ProcessTree): readonly number[] {
  let left = membersOf(tree);
  for (let round = 0; left.length > 0 && round < maxRounds; round++) {
    send(left, 'SIGKILL');
    left = membersOf(tree);
  }
  return left;
}

function send(pids: readonly number[], signal: string): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile, which is what was wanted.
    }
  }
}

function membersOf(tree: ProcessTree): readonly number[] {
  const root = tree.root();
  const space = tree.space();
  const members = new Set(root === undefined ? [] : descendantsOf(root));
  const mark = `${runVariable}=${tree.mark}\0`;
  const belongs = (pid: number): boolean =>
    space === undefined ? environmentOf(pid).includes(mark) : spaceOf(pid) === space;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (pid > 0 && !members.has(pid) && belongs(pid)) members.add(pid);
  }
  if (root !== undefined && tree.isHelper) members.delete(root);
  else if (root !== undefined) members.add(root);
  return [...members].filter(isAlive);
}

/** The processes below one, found by their parents; one whose parent died is found by its mark only. */
function descendantsOf(pid: number): readonly number[] {
  const children = childrenOf(pid);
  return children.concat(children.flatMap(descendantsOf));
}

/** The processes that a process started and that are still its children. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')
        .split(' ')
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    return [];
  }
}

/** The cgroup namespace of a process. */
export function spaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/cgroup`);
  } catch {
    return undefined;
  }
}

/** A process's cgroup namespace, held open: the kernel gives the name of one that is gone to the next. */
export interface HeldSpace {
  readonly name: string;
  release(): void;
}

/** Holds the cgroup namespace of a process, unless that is this program's own or cannot be had. */
export function holdSpace(pid: number): HeldSpace | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/ns/cgroup`, 'r');
    const held = fd;
    const name = readlinkSync(`/proc/self/fd/${held}`);
    const release = (): void => {
      closeSync(held);
    };
    if (name !== spaceOf(process.pid)) return { name, release };
  } catch {
    // It has ended already.
  }
  if (fd !== undefined) closeSync(fd);
  return undefined;
}

function environmentOf(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    return '';
  }
}

/** Zombies count as gone: only their parent can still see them. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}
