import {
  SandboxExecutionError,
  SandboxFileError,
  SandboxNotFoundError,
  SandboxTimeoutError,
} from '../process/errors/errors.js';
import { SandboxError } from '../process/errors/sandbox-error.js';

/** Exit statuses with a meaning of their own, as `timeout(1)`, `env(1)` and `docker run` have them. */
const timedOut = 124;

/** This program could not do what it was asked to. */
export const ownFailure = 125;

const notExecutable = 126;
const notFound = 127;

/** The reader of our output went away: the status of a death by SIGPIPE. */
export const brokenPipe = 141;

/** What was asked about is not there, or is not so that it could be done. */
const answerIsNo = 1;

/** The status for a run that did not give one. */
export function statusOf(error: unknown): number {
  if (error instanceof SandboxTimeoutError) return timedOut;
  if (!(error instanceof SandboxExecutionError)) return ownFailure;
  if (error.reason === 'not_found') return notFound;
  return error.reason === 'not_executable' ? notExecutable : ownFailure;
}

/** The status of what runs no command, and so has 1 for itself, as `docker` and `kubectl` do. */
export function answerStatusOf(error: unknown): number {
  const isNo =
    error instanceof SandboxNotFoundError ||
    error instanceof SandboxFileError ||
    (error instanceof SandboxError && error.code === 'ERR_SANDBOX_OVER') ||
    isOfLocalFile(error);
  return isNo ? answerIsNo : ownFailure;
}

function isOfLocalFile(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}

/** For the help of commands that run something. */
export const runStatusHelp = `
Exit status: the command's, 128 + N where signal N killed it; 124 past its --timeout; 126 and 127 where it is not
executable and not found; 125 for everything that is not the command's: no such sandbox, no server, a wrong option.`;

/** For the help of the other commands. */
export const answerStatusHelp = `
Exit status: 0; 1 where there is no such sandbox or file, or it is not so that this can be done; 125 where it could
not be asked: no server, no permission, a wrong option.`;
