import { describe, expect, it } from '@jest/globals';
import * as core from 'sandbox-rx';
import * as host from 'sandbox-rx/host';
import * as node from 'sandbox-rx/node';
import * as testing from 'sandbox-rx/testing';

/** Everything that can be imported, beside types. A name here is a promise: it is added and removed by decision. */
const surface = {
  'sandbox-rx': [
    'CancelledError',
    'ConnectionLostError',
    'OperationRef',
    'OutputLimitError',
    'Process',
    'ProcessResult',
    'Sandbox',
    'SandboxClient',
    'SandboxError',
    'SandboxExecutionError',
    'SandboxFileError',
    'SandboxFiles',
    'SandboxLease',
    'SandboxNotFoundError',
    'SandboxPool',
    'SandboxTimeoutError',
    'SandboxValidationError',
    'Session',
    'Snapshots',
    'StreamReader',
    'StreamWriter',
    'TimeoutError',
    'UnsupportedError',
    'check',
    'coalesce',
    'consume',
    'decode',
    'groupByStream',
    'lines',
    'mapThrough',
    'ndjson',
    'pipeProcesses',
    'runAll',
    'stderr',
    'stdout',
    'tee',
    'through',
    'toResult',
    'toResults',
    'toSummary',
    'untilLine',
    'waitForLine',
    'waitForPort',
    'websocketBackend',
  ],
  'sandbox-rx/node': ['grpcBackend', 'localBackend', 'websocketBackend'],
  'sandbox-rx/host': ['Host', 'readTokens'],
  'sandbox-rx/testing': [
    'backendContract',
    'delay',
    'err',
    'exit',
    'memoryBackend',
    'out',
    'shellPrograms',
  ],
};

describe('the public surface', () => {
  it.each([
    ['sandbox-rx', core, surface['sandbox-rx']],
    ['sandbox-rx/node', node, surface['sandbox-rx/node']],
    ['sandbox-rx/host', host, surface['sandbox-rx/host']],
    ['sandbox-rx/testing', testing, surface['sandbox-rx/testing']],
  ])('of %s is exactly this', (_entry, actual, expected) => {
    expect(Object.keys(actual).sort()).toEqual(expected);
  });
});
