// @ts-check
// npm run bench [-- NAME... --quick --rounds=N]: runs the named benchmarks, or all of them.
import { quick, save } from './harness.js';

const benchmarks = [
  'spawn',
  'bytes',
  'text',
  'lines',
  'slow-consumer',
  'fan-out',
  'idle',
  'sandbox',
  'run-all',
  'spawn-memory',
  'grpc',
  'tunnel',
  'compose',
  'endless',
  'viewers',
  'browser',
];
const named = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const unknown = named.filter((name) => !benchmarks.includes(name));
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${benchmarks.join(', ')}`);
  process.exit(2);
}

// Ending by itself, it leaves no files behind.
process.once('SIGINT', () => process.exit(130));

for (const name of named.length > 0 ? named : benchmarks) {
  console.log(`\n# ${name}${quick ? ' (quick: too small for figures)' : ''}`);
  const { run } = await import(`./${name}.js`);
  const measures = await run();
  if (!quick) save(name, measures);
}
