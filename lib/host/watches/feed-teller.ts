import { Subscription } from 'rxjs';
import type { WatchCursor } from '../../wire/generated/sandboxrx/v1/watches.js';
import type { HostStream } from '../call.js';
import type { Changes, Feed } from './feed.js';

/** How a list is told to one who watches it. */
export interface Telling<T extends { readonly id: string }, Response> {
  readonly feed: Feed<T>;
  /** What has been told before. */
  readonly after: WatchCursor | undefined;
  /** Whether the caller may see it. */
  readonly sees: (item: T) => boolean;
  /** The messages that tell changes; each is made when there is room for it. */
  messagesOf(changes: Changes<T>): Iterable<Response>;
}

/**
 * Tells a list, and then its changes, as fast as the caller takes them. Nothing waits for one who is behind: what has changed
 * meanwhile is looked up when there is room again.
 */
export class FeedTeller<T extends { readonly id: string }, Response> {
  readonly #telling: Telling<T, Response>;
  readonly #stream: HostStream<never, Response>;
  readonly #following = new Subscription();
  #messages: Iterator<Response> | undefined;
  #told: WatchCursor | undefined;
  #isFirst = true;
  #isBehind = false;
  #isOver = false;
  /** Nothing more will change. */
  #isComplete = false;

  constructor(telling: Telling<T, Response>, stream: HostStream<never, Response>) {
    this.#telling = telling;
    this.#told = telling.after;
    this.#stream = stream;
  }

  /** Begins to tell; `left` is called when that is over. */
  tell(left: () => void): void {
    this.#following.add(left);
    this.#stream.listen({
      message: () => undefined,
      halfClosed: () => undefined,
      cancelled: () => {
        this.#stop();
      },
    });
    this.#following.add(
      this.#telling.feed.changed$.subscribe({
        next: () => {
          this.#pump();
        },
        error: (error: unknown) => {
          this.#stop();
          this.#stream.fail(error);
        },
        complete: () => {
          this.#isComplete = true;
          this.#pump();
        },
      }),
    );
    this.#pump();
  }

  #pump(): void {
    const { feed } = this.#telling;
    if (!feed.isListed && !this.#isComplete) return;
    while (!this.#isBehind && !this.#isOver) {
      const message = this.#next();
      if (message === undefined) break;
      this.#send(message);
    }
    if (!this.#isComplete || this.#isBehind || this.#isOver) return;
    this.#stop();
    this.#stream.end();
  }

  /** The next message of what is being told, or of what has changed since; undefined where nothing has. */
  #next(): Response | undefined {
    const going = this.#messages?.next();
    if (going !== undefined && going.done !== true) return going.value;
    this.#messages = undefined;
    const { feed } = this.#telling;
    // The first time the caller is told in any case where it is.
    const isFirst = this.#isFirst;
    if (!isFirst && this.#told?.revision === BigInt(feed.revision)) return undefined;
    this.#isFirst = false;
    const { isReset, items, cursor } = feed.since(this.#told);
    this.#told = cursor;
    const seen = items.filter(this.#telling.sees);
    // Not even that there was a change.
    if (!isFirst && !isReset && seen.length === 0) return undefined;
    const changes = { isReset, items: seen, cursor };
    this.#messages = this.#telling.messagesOf(changes)[Symbol.iterator]();
    return this.#next();
  }

  #send(message: Response): void {
    if (this.#stream.send(message)) return;
    this.#isBehind = true;
    this.#stream.whenDrained(() => {
      this.#isBehind = false;
      this.#pump();
    });
  }

  #stop(): void {
    this.#isOver = true;
    this.#following.unsubscribe();
  }
}
