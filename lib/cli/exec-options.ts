import type { ExecOptions } from '../sandbox/exec-options.js';
import type { RunOptions } from './options.js';

/** How a command is run whose output is passed on as it is, and then not needed again. */
export function execOptionsOf({
  cwd,
  env,
  timeout,
}: RunOptions): ExecOptions & { readonly encoding: 'buffer' } {
  return {
    env,
    encoding: 'buffer',
    retainBytes: 0,
    overflow: 'backpressure',
    ...(cwd !== undefined && { cwd }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
  };
}
