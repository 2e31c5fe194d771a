import { NEVER } from 'rxjs';
import type { ExecRequest } from './backend.js';

/** A run that nobody steers, with the defaults of every option: to be given a sandbox, an id and a command. */
export const plainRun: Omit<ExecRequest, 'sandboxId' | 'id' | 'command'> = {
  keep: false,
  env: {},
  stderr: 'pipe',
  paused$: NEVER,
  size$: NEVER,
  killSignal: 'SIGTERM',
  killGraceMs: 2000,
  drainGraceMs: 200,
  lifecycle: { started: ignore, closed: ignore },
};

function ignore(): void {
  // A run that nobody has a handle on.
}
