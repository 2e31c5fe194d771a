import type { WindowSize } from '../process/process-controls.js';
import {
  checkCommand,
  checkEnv,
  checkInteger,
  checkSignalName,
  checkText,
  maxTimerMs,
} from '../process/validate.js';
import { execRequestOf } from '../wire/exec-frames.js';
import type { ExecStreamInit } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { RunOptions } from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { badField, checkField, checkId } from './bad-field.js';

/** What is said of a size that is none. */
export const sizeRule = 'a terminal has 1 to 65535 rows and columns';

/** Whether a terminal can have this size. */
export function isSize({ cols, rows }: WindowSize): boolean {
  return [cols, rows].every((length) => length >= 1 && length <= 65_535);
}

/** The command of an opening, as the model has it. @throws SandboxValidationError */
export function checkedCommand(
  init: ExecStreamInit,
  options: RunOptions,
): ReturnType<typeof execRequestOf> {
  const wanted = execRequestOf(init, options);
  checkField('init.command', () => {
    checkCommand(wanted.command);
  });
  checkField('init.env', () => {
    checkEnv('env', wanted.env);
  });
  if (wanted.tty !== undefined && !isSize(wanted.tty)) throw badField('init.tty', sizeRule);
  return wanted;
}

/** What a client of ours says of a run, which came in this field. @throws SandboxValidationError */
export function checkRunOptions(field: string, options: RunOptions): void {
  const { runId, killSignal, cwd } = options;
  checkId('run_id', runId);
  checkField(field, () => {
    for (const name of ['killGraceMs', 'drainGraceMs'] as const)
      checkInteger(name, options[name], { min: 0, max: maxTimerMs });
    checkText('cwd', cwd);
    if (killSignal !== '') checkSignalName('killSignal', killSignal);
  });
}
