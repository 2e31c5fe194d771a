import { UnsupportedError } from '../process/errors/errors.js';
import type { LogsRequest } from './backend.js';

/** @throws UnsupportedError for logs of which a part is asked for, or the times: neither is known where they are kept. */
export function refuseLogOptions(
  name: string,
  {
    tailLines,
    sinceMs,
    timestamps = false,
  }: Pick<LogsRequest, 'tailLines' | 'sinceMs' | 'timestamps'>,
): void {
  if (tailLines !== undefined || sinceMs !== undefined || timestamps)
    throw new UnsupportedError(
      'logOptions',
      `logs of ${name} sandboxes are told as a whole; leave tailLines, sinceMs and timestamps out`,
    );
}
