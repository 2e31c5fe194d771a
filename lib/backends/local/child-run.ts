import { spawn, type ChildProcess } from 'node:child_process';
import { Readable } from 'node:stream';
import { EMPTY, Observable, Subject, Subscription, type Subscriber } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { LinkedList } from '../../process/linked-list.js';
import type { OutputStream, ProcessEvent } from '../../process/process-event.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import { connectStdin } from './connect-stdin.js';
import { DrainClock } from './drain.js';
import { exitEvent, type Exit } from './exit-event.js';
import { LaunchReport } from './launch-report.js';
import { childrenOf, endTree, killAll, type ProcessTree } from './process-tree.js';
import { signalNumber } from './signals.js';
import { spawnFailure, startFailure } from './start-failure.js';
import { onlyThese, pipes, terminal, type RunStdio } from './stdio.js';

/** How to start one run. */
export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** The launch script runs first, and tells on fd 3 when the command cannot be started. */
  readonly reports: boolean;
  /** Value of the run's mark in its environment. */
  readonly mark: string;
  /** The started process only waits for the command in the sandbox, which is in a space of its own. */
  readonly isHelper: boolean;
}

/** From a process's end to the point where its terminal has nothing more to give. */
const terminalIdleMs = 30;

/** A run of which something may be left: what a signal is sent to. */
export interface LiveRun {
  readonly id: string;
  /** The process that was started, until it has ended. */
  readonly pid: number | undefined;
  /** The process that the command became, once it has: what comes before it may take a signal in its own way. */
  readonly command: number | undefined;
  /** Ends its process tree now, without a grace. */
  kill(): void;
  /** Completes when the process that was started is gone. */
  readonly ended$: Observable<never>;
}

/** One run of a command as a child process: cold, drained before its exit is told, ended with its whole tree. */
export function runChild(
  request: ExecRequest,
  launch: () => Launch,
  runs: LinkedList<LiveRun>,
): Observable<ProcessEvent> {
  return new Observable((subscriber) => {
    const run = new ChildRun(subscriber, request, launch());
    const link = runs.push(run);
    run.start();
    return () => {
      run.end(() => runs.delete(link));
    };
  });
}

class ChildRun implements LiveRun {
  readonly #ended: Subject<never> = new Subject();
  readonly ended$: Observable<never> = this.#ended;
  readonly #subscriber: Subscriber<ProcessEvent>;
  readonly #request: ExecRequest;
  readonly #launch: Launch;
  readonly #flow = new Subscription();
  #input: Subscription | undefined;
  #child: ChildProcess | undefined;
  #stdio: RunStdio | undefined;
  #outputs: readonly Readable[] = [];
  #openOutputs = 0;
  #paused = false;
  #drain: DrainClock | undefined;
  #exit: Exit | undefined;
  readonly #report = new LaunchReport(() => (this.#launch.isHelper ? this.pid : undefined));
  /** The end has been told; there is nothing left to kill. */
  #over = false;

  constructor(subscriber: Subscriber<ProcessEvent>, request: ExecRequest, launch: Launch) {
    this.#subscriber = subscriber;
    this.#request = request;
    this.#launch = launch;
  }

  get id(): string {
    return this.#request.id;
  }

  get pid(): number | undefined {
    return this.#exit === undefined ? this.#child?.pid : undefined;
  }

  get command(): number | undefined {
    const { reports, isHelper } = this.#launch;
    if (this.pid === undefined || (reports && !this.#report.isHandedOver)) return undefined;
    return isHelper ? childrenOf(this.pid)[0] : this.pid;
  }

  start(): void {
    try {
      const child = (this.#child = this.#spawn());
      child.once('error', (cause) => {
        if (child.pid === undefined) this.#fail(spawnFailure(cause, this.#request, this.#launch));
      });
      if (child.pid === undefined) return;
      this.#observe(child);
    } catch (error) {
      const known = error instanceof SandboxError;
      this.#fail(known ? error : spawnFailure(error, this.#request, this.#launch));
      return;
    }
    this.#request.lifecycle.started();
    this.#connectInputs(this.#child);
  }

  kill(): void {
    if (this.#child?.pid !== undefined && !this.#over) killAll(this.#tree());
  }

  /** Releases everything, and ends the process tree where it has not ended by itself; then nothing is left. */
  end(closed: () => void): void {
    const close = (): void => {
      closed();
      this.#close();
    };
    this.#input?.unsubscribe();
    this.#flow.unsubscribe();
    this.#drain?.hold();
    for (const output of this.#outputs) output.destroy();
    if (this.#over || this.#child?.pid === undefined) close();
    else this.#endTree(close);
  }

  #spawn(): ChildProcess {
    const { tty, stdin$, killSignal } = this.#request;
    const { file, args, reports, isHelper, cwd, env, uid, gid } = this.#launch;
    signalNumber(killSignal);
    this.#stdio = tty === undefined ? pipes(stdin$ !== undefined) : terminal(tty);
    const { options } = this.#stdio;
    const stdio = onlyThese(reports ? [...options, 'pipe'] : options, isHelper);
    // A session of its own keeps our terminal's signals away; with a pty, `setsid` in `args` makes the command's.
    const detached = tty === undefined || isHelper;
    return spawn(file, args, { cwd, env, uid, gid, stdio, detached });
  }

  #observe(child: ChildProcess): void {
    const outputs = this.#stdio?.outputs(child) ?? [];
    this.#outputs = outputs.map(([, output]) => output);
    for (const [stream, output] of outputs) this.#observeOutput(stream, output);
    const report = this.#launch.reports ? child.stdio[3] : undefined;
    if (report instanceof Readable) this.#observeReport(report);
    child.once('exit', (code, signal) => {
      this.#exited({ code, signal });
    });
  }

  #observeOutput(type: OutputStream, output: Readable): void {
    let offset = 0;
    output.on('data', (data: Buffer) => {
      const event: ProcessEvent = { type, data, offset };
      offset += data.length;
      this.#subscriber.next(event);
      this.#drain?.restart();
    });
    this.#countOpen(output);
  }

  #observeReport(report: Readable): void {
    report.on('data', (text: Buffer) => {
      this.#report.hear(text);
    });
    this.#countOpen(report);
  }

  #countOpen(output: Readable): void {
    this.#openOutputs++;
    // A terminal ends with EIO, a killed pipe with ECONNRESET: both are its end.
    output.on('error', ignore);
    output.once('close', () => {
      this.#openOutputs--;
      this.#finishWhenDrained();
    });
  }

  #connectInputs(child: ChildProcess): void {
    const { stdin$, paused$, size$, tty } = this.#request;
    const fail = (error: unknown): void => {
      this.#subscriber.error(error);
    };
    this.#flow.add(
      paused$.subscribe({
        next: (paused) => {
          this.#pause(paused);
        },
        error: fail,
      }),
    );
    const stdin = this.#stdio?.stdin(child);
    if (stdin) this.#input = connectStdin(stdin, stdin$ ?? EMPTY, tty !== undefined);
    if (tty === undefined) return;
    this.#flow.add(size$.subscribe({ next: (size) => this.#stdio?.resize(size), error: fail }));
  }

  #pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    for (const output of this.#outputs)
      if (paused) output.pause();
      else output.resume();
    if (paused) this.#drain?.hold();
    else this.#drain?.release();
  }

  #exited(exit: Exit): void {
    this.#exit = exit;
    this.#ended.complete();
    this.#input?.unsubscribe();
    this.#staysPaused();
    this.#finishWhenDrained();
    if (this.#over || this.#subscriber.closed) return;
    const { tty, drainGraceMs } = this.#request;
    this.#startDrain(tty === undefined ? drainGraceMs : terminalIdleMs, () => {
      if (tty === undefined) this.#finish(true);
      else this.#releaseTerminal();
    });
  }

  /** Node makes the pipes of a process that has ended flow, to drain them. */
  #staysPaused(): void {
    if (!this.#paused) return;
    setImmediate(() => {
      if (this.#paused) for (const output of this.#outputs) output.pause();
    });
  }

  /** Nothing more comes from the command itself; whoever else holds the terminal has the usual grace. */
  #releaseTerminal(): void {
    this.#stdio?.release();
    this.#startDrain(this.#request.drainGraceMs, () => {
      this.#finish(true);
    });
  }

  #startDrain(graceMs: number, expired: () => void): void {
    this.#drain?.hold();
    this.#drain = new DrainClock(graceMs, expired);
    if (this.#paused) this.#drain.hold();
  }

  #finishWhenDrained(): void {
    if (this.#exit !== undefined && this.#openOutputs === 0) this.#finish(false);
  }

  #finish(outputHeld: boolean): void {
    if (this.#over || this.#exit === undefined) return;
    this.#over = true;
    if (this.#launch.reports && this.#exit.signal === null && !this.#report.isHandedOver) {
      this.#subscriber.error(startFailure(this.#report.said, this.#request));
      return;
    }
    this.#subscriber.next(exitEvent(this.#exit, outputHeld));
    this.#subscriber.complete();
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#ended.complete();
    this.#subscriber.error(error);
  }

  #endTree(done: () => void): void {
    const { killSignal, killGraceMs } = this.#request;
    endTree(this.#tree(), { signal: killSignal, graceMs: killGraceMs }, () => {
      if (this.#exit === undefined) this.#child?.once('exit', done);
      else done();
    });
  }

  #tree(): ProcessTree {
    const { mark, isHelper } = this.#launch;
    return { root: () => this.pid, mark, isHelper, space: () => this.#report.space };
  }

  #close(): void {
    this.#stdio?.dispose();
    this.#report.release();
    this.#request.lifecycle.closed();
  }
}

function ignore(): void {
  // Said where it is used.
}
