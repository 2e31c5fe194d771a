import { BehaviorSubject, type Observable, type Subscription } from 'rxjs';

/** Whether a run is to pause, which it is as long as any of those who observe it wants it to. */
export class PauseVotes {
  readonly #paused = new BehaviorSubject(false);
  #wanted = 0;

  get paused$(): Observable<boolean> {
    return this.#paused;
  }

  /** Counts what an observer wants, until it unsubscribes. */
  join(paused$: Observable<boolean>): Subscription {
    let wants = false;
    const vote = (paused: boolean): void => {
      if (paused === wants) return;
      wants = paused;
      this.#wanted += paused ? 1 : -1;
      // The first to want it and the last to want it no longer change it.
      if (this.#wanted === (paused ? 1 : 0)) this.#paused.next(paused);
    };
    const voting = paused$.subscribe({
      next: vote,
      error: (error: unknown) => {
        this.#paused.error(error);
      },
    });
    voting.add(() => {
      vote(false);
    });
    return voting;
  }
}
