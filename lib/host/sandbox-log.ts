import type { Logger } from './logger.js';
import type { HostSandbox } from './host-sandbox.js';

/** Tells of a sandbox when it is made, and when it is over. */
export function logSandbox(logger: Logger, { record, owner, gone }: HostSandbox): void {
  const { id: sandboxId, createdAtMs } = record;
  const whose = { sandboxId, ...(owner !== undefined && { token: owner }) };
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
