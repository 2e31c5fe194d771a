import { Observable } from 'rxjs';
import type { RunLifecycle } from '../../../process/process-controls.js';

/** A run that fails, and of which nothing is ever started. */
export function neverStarted(error: unknown, lifecycle: RunLifecycle): Observable<never> {
  return new Observable((subscriber) => {
    subscriber.error(error);
    lifecycle.closed();
  });
}
