import { BehaviorSubject, Subscription, type Observable } from 'rxjs';
import type { CallOpening, OpenCall } from '../../../wire/tunnel/client-call.js';
import type { ConnectionStatus } from './connection-status.js';
import type { LineCallObserver } from './line-call.js';
import { Line, type LineOptions } from './line.js';
import { unavailable } from './loss.js';

export interface ConnectorOptions extends LineOptions {
  /** When it is worth to try at once, and why. */
  readonly comebacks$: Observable<'online' | 'visible'>;
}

/**
 * Makes calls over a line that is connected when it is needed. Where a server takes no more calls, those that follow go over
 * another line, while the old one lives as long as its calls.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #status$: BehaviorSubject<ConnectionStatus> = new BehaviorSubject<ConnectionStatus>({
    state: 'idle',
    attempt: 0,
  });
  readonly #comebacks: Subscription = new Subscription();
  #line: Line | undefined;
  readonly #draining: Set<Line> = new Set();
  #isKnown = false;
  #isClosed = false;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#comebacks.add(
      options.comebacks$.subscribe({
        next: (why) => {
          for (const line of this.#lines()) if (why === 'online') line.renew();
          for (const line of this.#lines()) line.hurry();
        },
        error: () => undefined,
      }),
    );
  }

  /** How it stands now, and from then on; completes with `close()`. */
  get status$(): Observable<ConnectionStatus> {
    return this.#status$.asObservable();
  }

  open(opening: CallOpening, observer: LineCallObserver): OpenCall {
    this.#line ??= this.#newLine();
    return this.#line.open(opening, observer);
  }

  /** Ends all calls, and the connection. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#comebacks.unsubscribe();
    // It stays, to refuse what is asked for later.
    this.#line ??= this.#newLine();
    for (const line of this.#lines()) line.close(unavailable('the connection was closed here'));
    this.#status$.next({ state: 'closed', attempt: 0 });
    this.#status$.complete();
  }

  #lines(): Line[] {
    return [...(this.#line === undefined ? [] : [this.#line]), ...this.#draining];
  }

  #newLine(): Line {
    const line: Line = new Line(this.#options, {
      isKnown: this.#isKnown,
      observer: {
        changed: (status) => {
          this.#changed(line, status);
        },
        draining: () => {
          if (this.#line !== line) return;
          this.#draining.add(line);
          this.#line = undefined;
        },
      },
    });
    return line;
  }

  #changed(line: Line, status: ConnectionStatus): void {
    if (this.#isClosed) return;
    this.#isKnown ||= line.hasConnected;
    if (status.state === 'idle') this.#draining.delete(line);
    // Before it is told: who hears of it may call again, or close.
    if (line.isClosed && this.#line === line) this.#line = undefined;
    // One that is drained is still what there is, until there is another.
    if (this.#line === undefined || this.#line === line) this.#status$.next(status);
  }
}
