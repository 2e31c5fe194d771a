import { errorToStatus } from '../wire/error-to-status.js';
import { codeName } from './calls/call-log.js';
import type { Logger } from './logger.js';
import type { HostSandbox } from './host-sandbox.js';
import type { UnremovedSandbox } from './sandboxes.js';

/** Tells of a sandbox when it is made, and when it is over. */
export function logSandbox(logger: Logger, { record, owner, gone }: HostSandbox): void {
  const { createdAtMs } = record;
  const whose = whoseOf({ record, owner });
  logger.info(whose, 'sandbox created');
  gone.subscribe({
    error: () => undefined,
    complete: () => {
      const { status, returncode } = record.info;
      const durationMs = Date.now() - createdAtMs;
      logger.info({ ...whose, status, returncode, durationMs }, 'sandbox ended');
    },
  });
}

/** Tells of a sandbox that its backend could not remove. */
export function logUnremoved(logger: Logger, { sandbox, error }: UnremovedSandbox): void {
  const code = codeName(errorToStatus(error).code);
  logger.warn({ ...whoseOf(sandbox), code }, 'sandbox not removed: it is tried again');
}

function whoseOf({ record, owner }: Pick<HostSandbox, 'record' | 'owner'>) {
  return { sandboxId: record.id, ...(owner !== undefined && { token: owner }) };
}
