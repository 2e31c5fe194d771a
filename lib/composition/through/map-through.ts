import { Observable, type ObservableInput, type Subscriber } from 'rxjs';
import type { SandboxError } from '../../process/errors/sandbox-error.js';
import type { StdinData } from '../../process/stdin.js';
import { checkFunction, checkInteger, refuse } from '../../process/validate.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { codecOf } from './framing.js';
import { MapRun } from './map-run.js';
import {
  checkThrough,
  isPushed,
  limitsOf,
  type Through,
  type ThroughOptions,
} from './through-options.js';

/** Options for {@link mapThrough}. */
export interface MapThroughOptions<In, Out> extends ThroughOptions {
  /** How many processes share the work. They are started as they are needed. Default 1. */
  readonly concurrency?: number;
  /**
   * How many requests a process is given before it has answered the first. `1` suits requests that take long, for then
   * none waits behind another while a process is idle; many suit small ones. Default 4096.
   */
  readonly maxInFlight?: number;
  /** How often a request is given to another process because the one that had to answer it next has ended. Default 1. */
  readonly retries?: number;
  /**
   * Gives an answer in place of the one that is lost: the request has outlived as many processes as `retries` allow. What it
   * throws is the result's error. Default: the loss is the result's error.
   */
  readonly onLost?: (error: SandboxError, request: In) => Out;
}

/**
 * Processes as a function: each value is a request on the standard input of one of them, which it answers with exactly one
 * value on its standard output, in the order in which it was asked. Answers come in the order of the requests, however many
 * processes there are.
 *
 * A process that ends early, by whatever status, is replaced. The first request that it had not answered counts as lost:
 * it is tried again `retries` times, and then reported. The others that it was given go to another process without that,
 * so a request may reach more than one process, and is answered once.
 *
 * A process has to flush each answer, or to be given many requests at a time: one that gathers its output, as most programs
 * do when they write to a pipe, keeps answers back until it has a few kilobytes of them or gets EOF.
 *
 * The result completes when every request was answered and all processes, which get EOF then, have ended. Unsubscribing kills
 * them. Sources wait as with {@link through}; what waits here are requests that were not answered.
 *
 * ```text
 * source                       --a--b-----c--|
 * process 1                    ----A---x            answers a, ends
 * process 2                    ----------B---C|     is given b again, then c
 * mapThrough(sandbox, [...])   ----A-----B---(C|)
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for a bad command or option; through the error channel, for a value that
 * does not fit the framing.
 * @throws {@link SandboxError} through the error channel, with code `ERR_BAD_ANSWER`, for a lost request and for an answer
 * that nobody asked for.
 * @throws {@link SandboxExecutionError} through the error channel, where a process cannot be started.
 * @throws {@link OutputLimitError} as {@link through} does.
 *
 * @example
 * ```ts
 * import { mapThrough, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * declare const documents: AsyncIterable<{ text: string }>;
 * const score = mapThrough<{ text: string }, number | null>(sandbox, ['python3', '-u', 'score.py'], {
 *   framing: 'ndjson',
 *   concurrency: 4,
 *   onLost: () => null,
 * });
 * score(documents).subscribe(console.log); // documents are read as fast as they are scored
 * ```
 */
export function mapThrough<In = unknown, Out = unknown>(
  sandbox: Sandbox,
  command: readonly string[],
  options: MapThroughOptions<In, Out> & { readonly framing: 'ndjson' },
): Through<In, Out>;
export function mapThrough(
  sandbox: Sandbox,
  command: readonly string[],
  options: MapThroughOptions<StdinData, Uint8Array> & { readonly framing: 'length-prefixed' },
): Through<StdinData, Uint8Array>;
export function mapThrough(
  sandbox: Sandbox,
  command: readonly string[],
  options?: MapThroughOptions<string, string> & { readonly framing?: 'lines' },
): Through<string, string>;
export function mapThrough(
  sandbox: Sandbox,
  command: readonly string[],
  options: MapThroughOptions<never, unknown> = {},
): Through<never, unknown> {
  checkThrough(sandbox, command, options);
  const { framing = 'lines', maxLength, concurrency, maxInFlight, retries, onLost } = options;
  if (framing === 'raw')
    refuse('framing', "one that tells where an answer ends, not 'raw'", framing);
  checkInteger('concurrency', concurrency, { min: 1 });
  checkInteger('maxInFlight', maxInFlight, { min: 1 });
  checkInteger('retries', retries, { min: 0 });
  checkFunction('onLost', onLost);
  const limits = limitsOf(options);
  return (source: ObservableInput<never>) => {
    const pushes = isPushed(source, limits);
    return new Observable((subscriber: Subscriber<unknown>) => {
      const run = new MapRun(source, subscriber, {
        open: () => sandbox.open(command, { ...options, stdin: true }),
        program: command[0] ?? '',
        codec: codecOf(framing, maxLength),
        limits,
        pushes,
        concurrency: concurrency ?? 1,
        maxInFlight: maxInFlight ?? 4096,
        retries: retries ?? 1,
        onLost,
      });
      run.start();
    });
  };
}
