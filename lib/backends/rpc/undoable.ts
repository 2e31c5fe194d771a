import { Observable } from 'rxjs';

/**
 * Something that a server makes, told when it is ready; `make` tells its id as soon as there is one. Unsubscribing before it
 * is ready undoes it, also when the server has not yet said what it is called.
 */
export function undoable<T>(
  make: (made: (id: string) => void) => Observable<T>,
  undo: (id: string) => Observable<never>,
): Observable<T> {
  return new Observable((subscriber) => {
    let id: string | undefined;
    let isDone = false;
    const undoIt = (): void => {
      if (id !== undefined && !isDone) undo(id).subscribe({ error: ignore });
    };
    const making = make((made) => {
      id = made;
      // Unsubscribed while the server was making it.
      if (subscriber.closed) undoIt();
    }).subscribe({
      next: (value) => {
        if (subscriber.closed) return;
        isDone = true;
        subscriber.next(value);
        subscriber.complete();
      },
      error: (error: unknown) => {
        isDone = true;
        subscriber.error(error);
      },
    });
    return () => {
      if (isDone || id !== undefined) making.unsubscribe();
      undoIt();
    };
  });
}

function ignore(): void {
  // Whoever asked for it has gone.
}
