import { afterEach, describe, expect, it } from '@jest/globals';
import { localBackend } from 'sandbox-rx/node';
import { describeWithBubblewrap } from '../backends/local/bubblewrap.js';
import { backendContract, shellPrograms } from 'sandbox-rx/testing';

const framework = { describe, it, expect, afterEach };

backendContract(framework, {
  name: "local, isolation: 'none'",
  commands: shellPrograms,
  create: () => localBackend({ isolation: 'none' }),
});

describeWithBubblewrap('with bubblewrap', () => {
  backendContract(framework, {
    name: "local, isolation: 'bubblewrap'",
    commands: shellPrograms,
    create: () => localBackend(),
  });
});
