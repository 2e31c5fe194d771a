import { execFileSync } from 'node:child_process';

/** Whether bubblewrap is installed. CI has to have it; elsewhere, what is skipped says how to get it. */
function hasBubblewrap(): boolean {
  try {
    execFileSync('bwrap', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    if (process.env['CI']) throw new Error('CI runs every test: apt-get install bubblewrap');
    console.warn(
      'bubblewrap is missing: its tests are skipped. To run them: apt-get install bubblewrap',
    );
    return false;
  }
}

/** The strongest isolation that this machine can test with. */
export function isolationForTests(): 'bubblewrap' | 'none' {
  return hasBubblewrap() ? 'bubblewrap' : 'none';
}
