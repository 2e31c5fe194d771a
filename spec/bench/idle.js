// @ts-check
// What an idle handle costs in memory: 10,000 runs that have not written anything.
import { BehaviorSubject, filter, lastValueFrom, map, NEVER, ReplaySubject } from 'rxjs';
import { alternate, inChildren, ours, quick } from './harness.js';

const handles = 10_000;

/**
 * @param {() => Promise<() => unknown>} prepare Gives what makes one handle.
 * @returns {() => Promise<import('./harness.js').Sample>} Bytes of heap for each.
 */
function heap(prepare) {
  return async () => {
    const make = await prepare();
    // What is made once is not counted.
    const kept = Array.from({ length: handles + 100 }, (_, index) =>
      index < 100 ? make() : undefined,
    );
    const before = used();
    for (let index = 100; index < kept.length; index++) kept[index] = make();
    const value = (used() - before) / handles;
    if (kept.includes(undefined)) throw new Error('a handle is missing');
    return { value };
  };
}

function used() {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** A handle as it is usually written: every stream is made with it, and kept going for late subscribers. */
class EagerProcess {
  state$ = new BehaviorSubject('starting');
  events$ = new ReplaySubject(64);
  stdout$ = this.#output('stdout');
  stderr$ = this.#output('stderr');
  result = lastValueFrom(this.events$, { defaultValue: null });

  /** @param {import('rxjs').Observable<any>} source */
  constructor(source) {
    this.events$.subscribe({ complete: () => this.state$.next('exited') });
    source.subscribe(this.events$);
  }

  /** @param {'stdout' | 'stderr'} stream */
  #output(stream) {
    const output$ = new ReplaySubject(64);
    const decoder = new TextDecoder();
    this.events$
      .pipe(
        filter(({ type }) => type === stream),
        map(({ data }) => decoder.decode(data, { stream: true })),
      )
      .subscribe(output$);
    return output$;
  }
}

const own = `${ours} Process`;
const eager = 'eager streams';

export const variants = {
  [eager]: heap(async () => () => new EagerProcess(NEVER)),
  [own]: heap(async () => {
    const { Process } = await import('./library.js');
    return () => new Process(NEVER, ['x']);
  }),
};

export async function run() {
  return [
    await alternate({
      measure: `memory of each of ${handles} idle handles`,
      unit: 'bytes',
      better: 'lower',
      reference: eager,
      target: 'at most 1024 bytes',
      rounds: quick ? 1 : 5,
      warmUp: false,
      variants: inChildren(import.meta.url, Object.keys(variants), {}, ['--expose-gc']),
    }),
  ];
}
