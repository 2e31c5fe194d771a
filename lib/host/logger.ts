import { checkRecord, requireFunction } from '../process/validate.js';

/**
 * Where a host tells what happens: the first half of pino's interface, so that `pino()` is one.
 *
 * It is told names, ids, codes and durations; never tokens, commands, environments, input, output or files.
 */
export interface Logger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Of a host that was given none. */
export const silentLogger: Logger = { info: ignore, warn: ignore, error: ignore };

/** Refuses what is no {@link Logger}; `undefined` passes. @throws SandboxValidationError */
export function checkLogger(logger: unknown): void {
  if (logger === undefined) return;
  checkRecord('logger', logger);
  for (const level of ['info', 'warn', 'error'] as const)
    requireFunction(`logger.${level}`, (logger as Partial<Logger>)[level]);
}

function ignore(): void {
  // Nobody wants to know.
}
