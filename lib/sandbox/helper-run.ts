import type { Observable } from 'rxjs';
import { staged } from '../operators/staged.js';
import { SandboxFileError, type FileFailure } from '../process/errors/errors.js';
import type { SandboxErrorDetails } from '../process/errors/sandbox-error.js';
import type { ProcessEvent } from '../process/process-event.js';
import { plainRun } from './plain-run.js';

/**
 * A command of ours that works on the files of a sandbox: with tools of our own choice, whatever the sandbox's commands
 * start with. The messages are read, so they have to be in the language that they are looked for in.
 */
export const helperRun: typeof plainRun = {
  ...plainRun,
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
  killSignal: 'SIGKILL',
  killGraceMs: 0,
};

/** What a helper works on, for the error that it may end in. */
export interface HelperSubject extends SandboxErrorDetails {
  readonly path: string;
}

const failures: readonly (readonly [RegExp, FileFailure])[] = [
  [/No such file or directory|nonexistent directory/, 'not_found'],
  [/Is a directory/i, 'is_directory'],
  // What `mkdir -p` says of a file in the way.
  [/Not a directory|File exists/, 'not_directory'],
  [/Permission denied|Read-only file system|Operation not permitted/, 'permission_denied'],
  // What `tar` says of a file system that became full.
  [/No space left|Disk quota exceeded|Wrote only \d+ of \d+ bytes/, 'no_space'],
];

/**
 * How much of what a helper says is kept, of its end: it may have something to say of each of a million files, and the
 * reason comes last, after a path that may be long.
 */
const maxSaidLength = 4096;

/**
 * A helper's output; its failure becomes the error that its message names. `succeeded` says whether an exit status is no
 * failure; default: 0 alone.
 */
export function helperOutput(
  subject: HelperSubject,
  succeeded: (end: HelperEnd) => boolean = ({ returncode }) => returncode === 0,
): (source: Observable<ProcessEvent>) => Observable<Uint8Array> {
  return staged<ProcessEvent, Uint8Array>((subscriber) => {
    const decoder = new TextDecoder();
    let said = '';
    let hasOutput = false;
    return {
      next: (event) => {
        if (event.type === 'exit') {
          const { returncode } = event;
          if (!succeeded({ returncode, hasOutput }))
            throw fileError(subject, said.trim() || `its helper ended with status ${returncode}`);
        } else if (event.type === 'stdout') {
          hasOutput = true;
          subscriber.next(event.data);
        } else {
          said = (said + decoder.decode(event.data, { stream: true })).slice(-maxSaidLength);
        }
      },
    };
  });
}

/** How a helper ended. */
export interface HelperEnd {
  readonly returncode: number;
  readonly hasOutput: boolean;
}

function fileError(subject: HelperSubject, said: string): SandboxFileError {
  return new SandboxFileError(reasonOf(said), said, subject);
}

/** The last reason that was said. It comes after the path, which may itself look like one. */
function reasonOf(said: string): FileFailure {
  for (const line of said.split('\n').reverse()) {
    const end = line.slice(line.lastIndexOf(': ') + 1);
    const known = failures.find(([pattern]) => pattern.test(end));
    if (known !== undefined) return known[1];
  }
  return 'failed';
}
