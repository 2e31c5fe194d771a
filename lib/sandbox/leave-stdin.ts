import { Observable } from 'rxjs';
import type { ExecRequest } from './backend.js';

/** Tells a writer that nobody will read; a source is not begun. */
export function leaveStdin(stdin$: ExecRequest['stdin$']): void {
  const left$: Observable<unknown> = new Observable((subscriber) => {
    subscriber.unsubscribe();
    stdin$?.subscribe(subscriber);
  });
  left$.subscribe();
}
