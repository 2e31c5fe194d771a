import { afterEach, describe, expect, it } from '@jest/globals';
import { backendContract, memoryBackend } from 'sandbox-rx/testing';
import { memoryCommands, memoryPrograms } from '../backends/memory/memory-programs.js';

backendContract(
  { describe, it, expect, afterEach },
  {
    name: 'memory',
    commands: memoryCommands,
    killsAtOnce: true,
    create: () => memoryBackend({ programs: memoryPrograms }),
  },
);
