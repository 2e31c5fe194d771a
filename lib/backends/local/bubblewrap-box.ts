import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path/posix';
import { Observable } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { LinkedList } from '../../process/linked-list.js';
import { newId } from '../../process/new-id.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import type { LocalBox } from './box.js';
import {
  enclosureArguments,
  sandboxHome,
  viewArguments,
  type Mount,
} from './bubblewrap-arguments.js';
import type { Launch, LiveRun } from './child-run.js';
import { Keeper } from './keeper.js';
import { guardedEnv, launchArguments, terminalArguments, terminalEnv } from './launch-script.js';
import { limitWords } from './limits.js';
import { childrenOf, runVariable, spaceOf } from './process-tree.js';
import { onlyThese } from './stdio.js';
import { sandboxUser, type ChildUser } from './sandbox-user.js';
import { gnuTimeout, needTool } from './tools.js';

/**
 * Says that the sandbox is ready, and ends with its input: then the kernel ends everything in the sandbox. What runs in
 * there could take its file descriptors, so none is left that leads outside.
 */
const keeperScript = 'echo ready; exec >/dev/null 2>&1; read -r line';

/**
 * Starts `bwrap` where nobody can make user namespaces: in one of their own, processes would have privileges again.
 * Where the limit cannot be set, such as in a container whose `/proc/sys` is read-only, it goes without.
 */
const firstScript = '{ echo 0 >/proc/sys/user/max_user_namespaces; } 2>/dev/null; exec "$@"';

/** Processes of one sandbox when nothing else is said: enough to build with, too few to hurt the host. */
const defaultProcesses = 1024;

const defaultEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: sandboxHome,
  USER: 'root',
  LANG: 'C.UTF-8',
};

/**
 * A bubblewrap container that commands join. It has no user namespace of bubblewrap's own, which would be a nested one
 * that an ordinary user cannot join: `unshare` makes it, and `nsenter` enters it.
 *
 * @see {@link https://man7.org/linux/man-pages/man7/user_namespaces.7.html | user_namespaces(7)}
 */
export function openBubblewrapBox(
  spec: SandboxSpec,
  mounts: readonly Mount[],
): Observable<LocalBox> {
  return new Observable((subscriber) => {
    const user = sandboxUser();
    const child = startBubblewrap(spec, mounts, user);
    let init: number | undefined;
    let isMade = false;
    const keeper = new Keeper(child, () => {
      endEverything(child, init);
    });
    subscriber.add(() => {
      if (!isMade) keeper.close$.subscribe();
    });
    awaitReady(child, mounts)
      .then((pid) => {
        if (subscriber.closed) return;
        init = pid;
        keeper.ready();
        const box = new BubblewrapBox(spec, { init, user, keeper });
        isMade = true;
        subscriber.next(box);
        subscriber.complete();
      })
      .catch((error: unknown) => {
        subscriber.error(error);
      });
  });
}

function startBubblewrap(
  spec: SandboxSpec,
  mounts: readonly Mount[],
  user: ChildUser,
): ChildProcess {
  const unshare = needTool('unshare', 'util-linux');
  const bwrap = needTool('bwrap', 'bubblewrap');
  const args = [
    '--user',
    '--map-root-user',
    ...['/bin/sh', '-c', firstScript, 'sh', bwrap],
    ...enclosureArguments(spec),
    ...viewArguments(spec, mounts),
    ...['/bin/sh', '-c', keeperScript],
  ];
  const stdio = onlyThese(['pipe', 'pipe', 'pipe'], true);
  return spawn(unshare, args, {
    ...{ stdio, cwd: '/', detached: true, env: { LC_ALL: 'C' } },
    ...user,
  });
}

/**
 * Ending the first process of a PID namespace ends all in it before it is itself gone. As long as that is not known, the
 * end of its input is what ends it: `bwrap` killed in the middle of its work would leave it behind. One or the other:
 * when its input ends, `bwrap` goes before what is in the sandbox.
 */
function endEverything(child: ChildProcess, init: number | undefined): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (init === undefined) {
    child.stdin?.destroy();
    return;
  }
  try {
    process.kill(init, 'SIGKILL');
  } catch {
    // It has ended already, and we have not been told yet.
  }
}

/**
 * The process id of the sandbox's init, as the host sees it, when the sandbox is ready. It is `bwrap`'s only child;
 * `--info-fd` would tell it too, but leaves a `bwrap` behind when nobody is there any more to be told.
 */
async function awaitReady(child: ChildProcess, mounts: readonly Mount[]): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout?.once('data', () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
      const init = childrenOf(child.pid ?? 0)[0];
      if (init === undefined) reject(unavailable('its first process has ended', mounts));
      else resolve(init);
    });
    child.stderr?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    child.once('error', reject);
    child.once('close', () => {
      reject(unavailable(said.trim(), mounts));
    });
  });
}

function unavailable(said: string, mounts: readonly Mount[]): SandboxError {
  const mount = mounts.find(
    ({ source, target = source }) => said.includes(source) || said.includes(target),
  );
  return new SandboxError(
    'ERR_BACKEND_UNAVAILABLE',
    `bubblewrap could not make a sandbox here: ${said || 'it gave no reason'}. ` +
      (mount === undefined
        ? namespaceAdvice
        : `Look at the mount of ${mount.source}: the sandbox's user has to be able to reach it, and it has to have a` +
          ` place to be at; nothing can be added to directories of the system`),
  );
}

const namespaceAdvice =
  'Unprivileged user namespaces have to be allowed (sysctl user.max_user_namespaces,' +
  ' kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that permits unshare). To run' +
  " trusted commands without isolation: isolation: 'none'";

class BubblewrapBox implements LocalBox {
  readonly mark: string = newId();
  readonly home: string = sandboxHome;
  readonly runs: LinkedList<LiveRun> = new LinkedList();
  readonly died$: Observable<string>;
  readonly close$: Observable<never>;
  readonly inNetwork?: readonly string[];
  readonly #spec: SandboxSpec;
  readonly #user: ChildUser;
  readonly #init: number;
  /** What enters the sandbox and gives up every privilege there. */
  readonly #enter: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #limits: string;

  constructor(
    spec: SandboxSpec,
    {
      init,
      user,
      keeper,
    }: { readonly init: number; readonly user: ChildUser; readonly keeper: Keeper },
  ) {
    this.#spec = spec;
    this.#user = user;
    this.#init = init;
    this.#enter = enterArguments(spec, init, noPrivileges);
    this.#env = { ...defaultEnv, ...spec.env };
    this.#limits = limitWords({ processes: defaultProcesses, ...spec.limits });
    if ((spec.network ?? 'none') === 'none') this.inNetwork = networkArguments(init);
    this.died$ = keeper.died$;
    this.close$ = keeper.close$;
  }

  launch(request: ExecRequest, purpose?: 'restore'): Launch {
    const mark = `${this.mark}/${newId()}`;
    const guarded = guardedEnv({
      ...terminalEnv(request),
      ...this.#env,
      ...request.env,
      [runVariable]: mark,
    });
    const launch = launchArguments({
      home: sandboxHome,
      cwd: resolve(sandboxHome, this.#spec.cwd ?? '.', request.cwd ?? '.'),
      join: request.stderr === 'stdout' && request.tty === undefined,
      guarded,
      limits: this.#limits,
      command: request.command,
    });
    const [file = '', ...args] = [
      ...(purpose === 'restore' ? enterArguments(this.#spec, this.#init, toRestore) : this.#enter),
      // In there, so that the helper outside is not of the terminal's session and gets none of its signals.
      ...terminalArguments(request.tty),
      '/bin/sh',
      ...launch,
    ];
    return {
      file,
      args,
      env: guarded.env,
      cwd: '/',
      mark,
      reports: true,
      isHelper: true,
      ...this.#user,
    };
  }
}

const noPrivileges = '-all';

/**
 * `tar` takes who is root for somebody who may write anywhere, and closes directories before it has filled them. Nobody
 * else is in the sandbox as long as its volumes are restored, and nothing of the host is its root's.
 */
const toRestore = '-all,+dac_override';

/**
 * Enters the sandbox and gives up every privilege there but these. The command is a child of what enters, in the sandbox's PID
 * namespace. `nsenter` would stop together with a command that is stopped, for ever, so GNU `timeout` waits in its place.
 */
function enterArguments(
  { network = 'none' }: SandboxSpec,
  init: number,
  privileges: string,
): readonly string[] {
  const hasSpaces = spaceOf(process.pid) !== undefined;
  const waiter = gnuTimeout();
  return [
    needTool('nsenter', 'util-linux'),
    ...(waiter === undefined ? [] : ['--no-fork']),
    ...['-t', String(init), '--user', '--preserve-credentials'],
    ...['-m', '-p', '-i', '-u', ...(network === 'none' ? ['-n'] : [])],
    '--',
    // A namespace for each run, which its processes cannot leave: that is how all of them are found when it is ended.
    ...(hasSpaces ? [needTool('unshare', 'util-linux'), '--cgroup', '--'] : []),
    ...(waiter === undefined ? [] : [waiter, '--foreground', '0']),
    ...[needTool('setpriv', 'util-linux'), '--bounding-set', privileges, '--inh-caps', '-all'],
    ...['--no-new-privs', '--'],
  ];
}

/**
 * Enters the sandbox's network alone. What runs there is this library's own: it reads nothing of what passes, so it may stay
 * who this program is. An ordinary user has power over the network only as root of the sandbox's users.
 */
function networkArguments(init: number): readonly string[] {
  const isRoot = process.getuid?.() === 0;
  return [
    ...[needTool('nsenter', 'util-linux'), '-t', String(init), '-n'],
    ...(isRoot ? [] : ['--user', '--preserve-credentials']),
    '--',
  ];
}
