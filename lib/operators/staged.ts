import { Observable, takeWhile, type OperatorFunction, type Subscriber } from 'rxjs';

/** What an operator does with each value; its state lives as long as one subscription. */
interface Stage<In> {
  next(value: In): void;
  /** Emits what is still held, when the source completes or errors. */
  flush?(): void;
}

/**
 * Makes an operator of a stage that emits straight into its subscriber, which is what keeps operators that emit a
 * million lines a second fast. What the stage throws becomes the error, and the source is unsubscribed.
 */
export function staged<In, Out>(open: (subscriber: Subscriber<Out>) => Stage<In>): OperatorFunction<In, Out> {
  return (source) =>
    new Observable((subscriber) => {
      const stage = open(subscriber);
      const guarded = (step: () => void): void => {
        try {
          step();
        } catch (error) {
          subscriber.error(error);
        }
      };
      const flush = (): void => {
        guarded(() => stage.flush?.());
      };
      // A synchronous source hears of an unsubscription only when it is asked again.
      return source.pipe(takeWhile(() => !subscriber.closed)).subscribe({
        next: (value) => {
          try {
            stage.next(value);
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error: unknown) => {
          flush();
          subscriber.error(error);
        },
        complete: () => {
          flush();
          subscriber.complete();
        },
      });
    });
}
