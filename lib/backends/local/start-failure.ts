import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SandboxExecutionError, type ExecutionFailure } from '../../process/errors/errors.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import { errnoOf, isShortage, isSystemError } from './errno.js';
import { refusedLimit } from './limits.js';

type StartFailure = Extract<
  ExecutionFailure,
  'not_found' | 'not_executable' | 'bad_cwd' | 'too_large' | 'not_started'
>;

const explanations: Readonly<Record<StartFailure, string>> = {
  not_found:
    'command not found; check the name, the PATH in its env and, of a script, the program in its first line',
  not_executable: 'not executable; it must be a file with the run bit set, not a directory',
  bad_cwd: 'cannot start there; the cwd must be a directory that exists in the sandbox',
  too_large: 'its arguments and environment are too large; pass large data through stdin or a file',
  not_started: 'could not be started',
};

/** The error for a command that did not start, in words that say what to do. */
export function startFailure(
  reason: string,
  request: ExecRequest,
  cause?: unknown,
): SandboxExecutionError {
  const known: StartFailure = reason in explanations ? (reason as StartFailure) : 'not_started';
  const subject = known === 'bad_cwd' ? (request.cwd ?? 'cwd') : (request.command[0] ?? '');
  const said = known === 'not_started' ? moreOf(reason, cause) : '';
  return new SandboxExecutionError(known, `${subject}: ${explanations[known]}${said}`, {
    cause,
    runId: request.id,
    sandboxId: request.sandboxId,
    retryable: isShortage(cause),
  });
}

function moreOf(reason: string, cause: unknown): string {
  if (isSystemError(cause)) return ` (${cause.message})`;
  const limit = refusedLimit(reason);
  if (limit === undefined) return '';
  return (
    `: limits.${limit} of the sandbox is more than this machine allows here; lower it,` +
    ' or raise the hard limit of this program (ulimit -H)'
  );
}

/** What `spawn` was asked to start. */
interface Attempt {
  readonly file: string;
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Reads off what `spawn` reported why a command did not start; `ENOENT` may mean its cwd as well. */
export function spawnFailure(
  cause: unknown,
  request: ExecRequest,
  launch: Attempt,
): SandboxExecutionError {
  return startFailure(reasonOf(errnoOf(cause), launch), request, cause);
}

const reasons: Readonly<Record<string, StartFailure>> = {
  E2BIG: 'too_large',
  ENOENT: 'not_found',
  ENOTDIR: 'not_found',
  EACCES: 'not_executable',
  EPERM: 'not_executable',
  ENOEXEC: 'not_executable',
};

function reasonOf(errno: string, { file, cwd, env }: Attempt): StartFailure {
  const reason = reasons[errno] ?? 'not_started';
  if (reason !== 'too_large' && cwd !== undefined && !isDirectory(cwd)) return 'bad_cwd';
  // A directory in PATH that may not be searched gives the same error as a file that may not be run.
  return errno === 'EACCES' && !isInPath(file, env['PATH'] ?? '') ? 'not_found' : reason;
}

function isInPath(file: string, path: string): boolean {
  return (
    file.includes('/') || path.split(':').some((directory) => existsSync(join(directory, file)))
  );
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
