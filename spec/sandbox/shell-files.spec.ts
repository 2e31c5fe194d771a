import { describe, expect, it } from '@jest/globals';
import { concat, NEVER, of, type Observable } from 'rxjs';
import type { ProcessEvent } from '../../lib/process/process-event.js';
import { shellFiles } from '../../lib/sandbox/shell-files.js';
import { bytes } from '../support/bytes.js';

const exit: ProcessEvent = { type: 'exit', returncode: 1 };

/** What a read fails with whose helper says this, in pieces, and fails. */
function failureOf(...pieces: readonly string[]): unknown {
  const said$: Observable<ProcessEvent> = of(
    ...pieces.map((piece): ProcessEvent => ({ type: 'stderr', data: bytes(piece), offset: 0 })),
  );
  let failure: unknown;
  shellFiles(() => concat(said$, of(exit)))
    .read(undefined, { sandboxId: 's', path: '/x', paused$: NEVER })
    .subscribe({ error: (error: unknown) => (failure = error) });
  return failure;
}

describe('a file that its helper could not read', () => {
  it('is told the reason of, however long the path before it and in however many pieces', () => {
    const path = '/x'.repeat(3000);
    expect(failureOf('cat: ', path, ': No such file or ', 'directory\n')).toMatchObject({
      name: 'SandboxFileError',
      reason: 'not_found',
    });
  });

  it('is told the reason of, whatever its name looks like', () => {
    const name = 'a: Is a directory\nPermission denied';
    expect(failureOf(`cat: ./${name}: No such file or directory\n`)).toMatchObject({
      reason: 'not_found',
    });
    expect(failureOf('cat: Is a directory: Input/output error\n')).toMatchObject({
      reason: 'failed',
    });
  });

  it('is told of in a message that is bounded, by the last that was said', () => {
    const failure = failureOf(...Array.from({ length: 50 }, () => 'cat: noise\n'.repeat(100)));
    expect(failure).toMatchObject({ reason: 'failed' });
    expect(String(failure).length).toBeLessThan(5000);
  });
});
