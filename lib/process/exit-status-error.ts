import { SandboxExecutionError } from './errors/errors.js';
import type { SandboxErrorDetails } from './errors/sandbox-error.js';
import type { ProcessResult } from './process-result.js';

/** The error of a run whose exit status `check` refused. */
export function exitStatusError(
  result: ProcessResult,
  ids: Pick<SandboxErrorDetails, 'sandboxId' | 'runId'>,
): SandboxExecutionError {
  const how =
    result.signal === undefined ? `exit status ${result.returncode}` : `signal ${result.signal}`;
  const program = result.command[0] ?? 'the command';
  const said = result.stderr.trimEnd().slice(-500);
  return new SandboxExecutionError(
    'exit_status',
    `${program} did not succeed: ${how}${said === '' ? '' : `\n${said}`}`,
    { ...ids, result },
  );
}
