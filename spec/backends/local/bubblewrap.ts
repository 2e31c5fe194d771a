import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';

const attempt = spawnSync('unshare', [
  ...['--user', '--map-root-user', 'bwrap', '--cap-drop', 'ALL', '--unshare-pid', '--unshare-net'],
  ...['--ro-bind', '/', '/', 'true'],
]);

/** Whether this machine can make bubblewrap sandboxes. */
export const hasBubblewrap: boolean = attempt.status === 0;

const hint =
  'bubblewrap does not work here, so this was skipped: apt-get install bubblewrap, and allow unprivileged user' +
  ' namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0)';

/** Tests that need bubblewrap; where there is none they are skipped with a word how to get it, but in CI they fail. */
export function describeWithBubblewrap(name: string, body: () => void): void {
  if (hasBubblewrap) {
    describe(name, body);
    return;
  }
  describe(name, () => {
    it(`is tried (${hint})`, () => {
      process.stderr.write(`${name}: ${hint}\n`);
      expect(process.env['CI']).toBeUndefined();
    });
  });
}
