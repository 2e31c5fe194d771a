// @ts-check
// One run that is watched by a thousand subscribers.
import { Subject } from 'rxjs';
import { alternate, ours, quick } from './harness.js';
import { Process } from './library.js';

const subscribers = 1000;
const events = quick ? 1000 : 4000;
const data = new TextEncoder().encode('x'.repeat(64));

/**
 * @param {(source: Subject<any>) => import('rxjs').Observable<any>} observed
 * @returns {() => import('./harness.js').Sample} Nanoseconds for each event and subscriber.
 */
function fanOut(observed) {
  return () => {
    const source = new Subject();
    const observed$ = observed(source);
    let received = 0;
    for (let i = 0; i < subscribers; i++) {
      observed$.subscribe(() => {
        received++;
      });
    }
    const start = performance.now();
    for (let i = 0; i < events; i++) source.next({ type: 'stdout', data, offset: i * data.length });
    const nanoseconds = (performance.now() - start) * 1e6;
    if (received !== events * subscribers) throw new Error(`${received} events arrived`);
    source.next({ type: 'exit', returncode: 0 });
    source.complete();
    return { value: nanoseconds / received };
  };
}

export async function run() {
  return [
    await alternate({
      measure: `an event to each of ${subscribers} subscribers`,
      unit: 'ns',
      better: 'lower',
      reference: 'RxJS Subject',
      target: 'at most 1.5 times a Subject',
      rounds: quick ? 5 : 21,
      variants: {
        'RxJS Subject': fanOut((source) => source),
        [`${ours} events$`]: fanOut((source) => new Process(source, ['x']).events$),
        [`${ours} stdout$`]: fanOut((source) => new Process(source, ['x']).stdout$),
      },
    }),
  ];
}
