import { hasBubblewrap } from '../backends/local/bubblewrap.js';

/** The strongest isolation that this machine can test with; CI has to have bubblewrap. */
export function isolationForTests(): 'bubblewrap' | 'none' {
  if (hasBubblewrap) return 'bubblewrap';
  if (process.env['CI']) throw new Error('CI runs every test: apt-get install bubblewrap');
  console.warn('bubblewrap does not work here, so this runs without: apt-get install bubblewrap');
  return 'none';
}
