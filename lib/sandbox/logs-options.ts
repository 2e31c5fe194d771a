import { checkBoolean, checkInteger, checkRecord } from '../process/validate.js';

/** Which part of the main command's output to give, and how. */
export interface LogsOptions {
  /** Go on until the command ends. Default `false`: what is retained now. */
  readonly follow?: boolean;
  /** Only so many lines at the end of what there is now, and what follows. Default: all that is retained. */
  readonly tailLines?: number;
  /** Only what was written since then, in milliseconds since 1970. Default: all that is retained. */
  readonly sinceMs?: number;
  /** Puts before each line when it was written, in ISO 8601; offsets then count the text with the times. Default `false`. */
  readonly timestamps?: boolean;
}

/** As many as the API has. */
const maxLines = 2 ** 31 - 1;
/** The end of the year 9999. */
const maxTimeMs = 253_402_300_799_999;

/** @throws SandboxValidationError for a bad option */
export function checkLogsOptions(options: LogsOptions): void {
  checkRecord('options', options);
  checkBoolean('follow', options.follow);
  checkInteger('tailLines', options.tailLines, { min: 1, max: maxLines });
  checkInteger('sinceMs', options.sinceMs, { min: 0, max: maxTimeMs });
  checkBoolean('timestamps', options.timestamps);
}
