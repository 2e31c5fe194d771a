import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localBackend } from 'sandbox-rx/node';
import { describeWithBubblewrap } from '../backends/local/bubblewrap.js';
import { backendContract, shellPrograms } from 'sandbox-rx/testing';

const framework = { describe, it, expect, afterEach };
const snapshotDirectory = mkdtempSync(join(tmpdir(), 'snapshots-'));

afterAll(() => {
  rmSync(snapshotDirectory, { recursive: true });
});

backendContract(framework, {
  name: "local, isolation: 'none'",
  commands: shellPrograms,
  create: () => localBackend({ isolation: 'none', snapshotDirectory }),
});

describeWithBubblewrap('with bubblewrap', () => {
  backendContract(framework, {
    name: "local, isolation: 'bubblewrap'",
    commands: shellPrograms,
    create: () => localBackend({ snapshotDirectory }),
  });
});
