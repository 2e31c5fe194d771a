import { AsyncSubject, Observable, type Subscriber } from 'rxjs';

/** How an operation ended. */
export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** One value or error that may still be to come. The first outcome wins; nothing is made until somebody waits. */
export class Settlement<T> {
  outcome: Outcome<T> | undefined;
  #waiting: AsyncSubject<T> | undefined;
  #value$: Observable<T> | undefined;

  /** Emits the value and completes, or errors; late subscribers too. */
  get value$(): Observable<T> {
    return (this.#value$ ??= new Observable<T>((subscriber) => this.#subscribe(subscriber)));
  }

  settle(outcome: Outcome<T>): boolean {
    if (this.outcome !== undefined) return false;
    this.outcome = outcome;
    if (this.#waiting !== undefined) deliver(outcome, this.#waiting);
    this.#waiting = undefined;
    return true;
  }

  #subscribe(subscriber: Subscriber<T>): (() => void) | undefined {
    if (this.outcome !== undefined) {
      deliver(this.outcome, subscriber);
      return undefined;
    }
    const subscription = (this.#waiting ??= new AsyncSubject()).subscribe(subscriber);
    return () => {
      subscription.unsubscribe();
    };
  }
}

function deliver<T>(
  outcome: Outcome<T>,
  observer: Pick<Subscriber<T>, 'next' | 'error' | 'complete'>,
): void {
  if (outcome.ok) {
    observer.next(outcome.value);
    observer.complete();
  } else {
    observer.error(outcome.error);
  }
}
