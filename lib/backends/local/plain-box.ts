import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { concat, defer, EMPTY, Observable, throwError } from 'rxjs';
import { UnsupportedError } from '../../process/errors/errors.js';
import { messageOf } from '../../process/errors/message-of.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { LinkedList } from '../../process/linked-list.js';
import { newId } from '../../process/new-id.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import { placedVolumes } from '../../sandbox/volumes.js';
import type { LocalBox } from './box.js';
import type { Launch, LiveRun } from './child-run.js';
import { Keeper } from './keeper.js';
import { guardedEnv, launchArguments, terminalArguments, terminalEnv } from './launch-script.js';
import { limitWords } from './limits.js';
import { runVariable } from './process-tree.js';
import { onlyThese } from './stdio.js';

/**
 * Waits until standard input ends, which is when the sandbox is deleted or this program dies; then kills whatever
 * carries the sandbox's mark, again and again until nothing does, and removes its directory. A program that dies may
 * have forked a command that does not carry the mark yet, so then it looks once more; where it was told, it need not.
 */
const keeperScript = `
trap '' HUP INT TERM QUIT
told=
while read -r line; do told=$line; done
cd /
kill_marked() {
  while pids=$(grep -lsF -- "$1" /proc/[0-9]*/environ); [ -n "$pids" ]; do
    for environ in $pids; do
      pid=\${environ#/proc/}
      kill -KILL "\${pid%/environ}"
    done
  done 2>/dev/null
}
kill_marked "$1"
[ "$told" ] || { sleep 0.2; kill_marked "$1"; }
rm -rf -- "$2" || { chmod -R u+rwX -- "$2"; rm -rf -- "$2"; }
`;

/** A directory and plain child processes: for trusted commands only. */
export function openPlainBox(spec: SandboxSpec): Observable<LocalBox> {
  return new Observable((subscriber) => {
    // Nobody would be given it who could delete it.
    if (subscriber.closed) return;
    refuseWhatNeedsIsolation(spec);
    const mark = newId();
    const home = resolve(tmpdir(), `sandbox-rx-${mark}`);
    // Before the directory, so that there is no moment at which nobody would remove it.
    const { child, keeper } = startKeeper({ mark, home });
    let isMade = false;
    subscriber.add(() => {
      if (!isMade) keeper.close$.subscribe();
    });
    child.once('error', (error) => {
      subscriber.error(error);
    });
    child.once('spawn', () => {
      if (subscriber.closed) return;
      try {
        makeDirectories(home, spec);
      } catch (error) {
        subscriber.error(error);
        return;
      }
      isMade = true;
      keeper.ready();
      subscriber.next(new PlainBox(spec, { home, mark, keeper }));
      subscriber.complete();
    });
  });
}

/** What a keeper keeps: whatever carries the mark, and a directory. */
interface Kept {
  readonly mark: string;
  readonly home: string;
}

function startKeeper({ mark, home }: Kept): { readonly child: ChildProcess; keeper: Keeper } {
  const args = ['-c', keeperScript, 'sandbox-rx-keeper', `${runVariable}=${mark}/`, home];
  const child = spawn('/bin/sh', args, {
    stdio: onlyThese(['pipe', 'ignore', 'ignore'], false),
    detached: true,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  });
  return { child, keeper: new Keeper(child, () => child.stdin?.end('told\n')) };
}

/** Ends a sandbox; where its keeper was killed, another one does what that would have done at its end. */
function ending(keeper: Keeper, kept: Kept): Observable<never> {
  const byAnother$ = defer(() => {
    const { keeper: another } = startKeeper(kept);
    return concat(
      another.close$,
      defer(() => (another.wasLost ? throwError(() => notEnded()) : EMPTY)),
    );
  });
  return concat(
    keeper.close$,
    defer(() => (keeper.wasLost ? byAnother$ : EMPTY)),
  );
}

function notEnded(): SandboxError {
  return new SandboxError(
    'ERR_BACKEND_UNAVAILABLE',
    'the keeper of the sandbox was killed, and so was, or could not be started, the one that is to remove what is left;' +
      ' delete the sandbox again',
    { retryable: true },
  );
}

function makeDirectories(home: string, { volumes = [] }: SandboxSpec): void {
  try {
    mkdirSync(home, { mode: 0o700 });
  } catch (cause) {
    throw new SandboxError(
      'ERR_BACKEND_UNAVAILABLE',
      `a sandbox's home cannot be made: ${messageOf(cause)}; set TMPDIR to a directory that can be written to`,
      { cause },
    );
  }
  for (const { path } of placedVolumes(volumes, home)) mkdirSync(path, { recursive: true });
}

function refuseWhatNeedsIsolation({ network, limits, volumes = [] }: SandboxSpec): void {
  const wanted = [
    network === 'none' && "network: 'none'",
    limits?.processes !== undefined && 'limits.processes',
    limits?.homeBytes !== undefined && 'limits.homeBytes',
    volumes.some(({ sizeBytes }) => sizeBytes !== undefined) && 'the sizeBytes of a volume',
    volumes.some(({ mountPath }) => mountPath.startsWith('/')) && 'an absolute mountPath',
  ].filter(Boolean);
  if (wanted.length === 0) return;
  throw new UnsupportedError(
    'isolation',
    `${wanted.join(' and ')} cannot be held with isolation: 'none'`,
  );
}

class PlainBox implements LocalBox {
  readonly mark: string;
  readonly home: string;
  readonly runs: LinkedList<LiveRun> = new LinkedList();
  readonly died$: Observable<string>;
  readonly close$: Observable<never>;
  readonly #cwd: string;
  readonly #limits: string;
  #runCount = 0;
  /** Copied once: reading `process.env` asks the system for each variable. */
  readonly #env: Readonly<Record<string, string>>;

  constructor(
    spec: SandboxSpec,
    {
      home,
      mark,
      keeper,
    }: { readonly home: string; readonly mark: string; readonly keeper: Keeper },
  ) {
    this.mark = mark;
    this.home = home;
    this.#cwd = resolve(home, spec.cwd ?? '.');
    this.#limits = limitWords(spec.limits ?? {});
    this.#env = { ...hostEnv(), ...spec.env };
    this.died$ = keeper.died$;
    // The keeper finds processes by their marks; those below a run that goes on are found without.
    this.close$ = defer(() => {
      for (const run of this.runs.items()) run.kill();
      return ending(keeper, { mark, home });
    });
  }

  launch(request: ExecRequest): Launch {
    const mark = `${this.mark}/${++this.#runCount}`;
    const env = { ...terminalEnv(request), ...this.#env, ...request.env, [runVariable]: mark };
    const cwd = request.cwd === undefined ? this.#cwd : resolve(this.#cwd, request.cwd);
    const [file = '', ...args] = request.command;
    const limits = this.#limits;
    const join = request.stderr === 'stdout' && request.tty === undefined;
    if (request.tty === undefined && !join && limits === '') {
      return { file, args, cwd, env, mark, reports: false, isHelper: false };
    }
    return {
      ...this.#byScript(request, { cwd, join, limits, env }),
      mark,
      reports: true,
      isHelper: false,
    };
  }

  #byScript(
    { command, tty }: ExecRequest,
    { cwd, join, limits, env }: ScriptedLaunch,
  ): Pick<Launch, 'file' | 'args' | 'env'> {
    const guarded = guardedEnv(env);
    const launch = launchArguments({ home: this.home, cwd, join, guarded, limits, command });
    const [file = '', ...args] = [...terminalArguments(tty), '/bin/sh', ...launch];
    return { file, args, env: guarded.env };
  }
}

/** What the launch script of a plain run needs. */
interface ScriptedLaunch {
  readonly cwd: string;
  readonly join: boolean;
  readonly limits: string;
  readonly env: Readonly<Record<string, string>>;
}

function hostEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined) env[name] = value;
  return env;
}
