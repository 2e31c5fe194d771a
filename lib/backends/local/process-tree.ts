import { readdirSync, readFileSync } from 'node:fs';

/** The variable that every process of a run carries, and hands down to what it starts. */
export const runVariable = 'SANDBOX_RX_RUN';

/** From one look for survivors to the next while a tree is being ended. */
const pollMs = 20;
/** A tree that keeps forking is looked for again this often before others get a turn. */
const maxRounds = 50;

/** A run's processes: those below `root`, and those that carry its mark wherever they went. */
export interface ProcessTree {
  /** The process that was started. */
  readonly root: number;
  /** Value of {@link runVariable} in the environment of the run. */
  readonly mark: string;
  /** Whether `root` only waits for the command and goes when it goes. */
  readonly isHelper: boolean;
}

/**
 * Ends every process of a tree: `signal` first, SIGKILL when `graceMs` are over. Calls back when none is left.
 *
 * A process leaves its tree by `setsid` and a double fork, but not by these its environment, where the mark stays
 * readable in `/proc`.
 *
 * @see {@link https://man7.org/linux/man-pages/man5/proc_pid_environ.5.html | proc_pid_environ(5)}
 */
export function endTree(
  tree: ProcessTree,
  { signal, graceMs }: { readonly signal: string; readonly graceMs: number },
  done: () => void,
): void {
  const deadline = performance.now() + graceMs;
  const look = (): void => {
    const left = performance.now() < deadline ? membersOf(tree) : killAll(tree);
    if (left.length === 0) done();
    else setTimeout(look, pollMs);
  };
  if (graceMs > 0) send(membersOf(tree), signal);
  look();
}

function killAll(tree: ProcessTree): readonly number[] {
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
  const members = new Set(descendantsOf(tree.root));
  const mark = `${runVariable}=${tree.mark}\0`;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (pid > 0 && !members.has(pid) && environmentOf(pid).includes(mark)) members.add(pid);
  }
  if (tree.isHelper) members.delete(tree.root);
  else if (isAlive(tree.root)) members.add(tree.root);
  return [...members].filter(isAlive);
}

/** The processes below one, found by their parents; one whose parent died is found by its mark only. */
export function descendantsOf(pid: number): readonly number[] {
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
