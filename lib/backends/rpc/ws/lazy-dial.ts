import { messageOf } from '../../../process/errors/message-of.js';
import type { Dial, DialObserver } from '../tunnel/dial.js';
import { unavailable } from '../tunnel/loss.js';

/** Connects by what is loaded at the first attempt: a program that makes none does not pay for `ws`. */
export function lazyDial(load: () => Promise<Dial>): Dial {
  let loading: Promise<Dial> | undefined;
  return (observer) => {
    const attempt = new LazyAttempt(observer);
    loading ??= load();
    loading
      .then((dial) => {
        attempt.begin(dial);
      })
      .catch((cause: unknown) => {
        attempt.fail(cause);
      });
    return () => {
      attempt.abandon();
    };
  };
}

class LazyAttempt {
  readonly #observer: DialObserver;
  #isAbandoned = false;
  #abandon: () => void = () => undefined;

  constructor(observer: DialObserver) {
    this.#observer = observer;
  }

  begin(dial: Dial): void {
    if (!this.#isAbandoned) this.#abandon = dial(this.#observer);
  }

  /** There is no `ws`, or no token. */
  fail(cause: unknown): void {
    if (!this.#isAbandoned) this.#observer.failed(unavailable(messageOf(cause)));
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.#abandon();
  }
}
