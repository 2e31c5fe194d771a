// Runs in Chromium: the contract of a backend, over the page's own WebSocket.
import { websocketBackend, type SandboxBackend, type WebSocketBackend } from 'sandbox-rx';
import { backendContract, shellPrograms, type ContractSubject } from 'sandbox-rx/testing';
import { memoryCommands } from '../backends/memory/memory-programs.js';
import { Collected } from './contract-tests.js';

let url = '';
let backend: WebSocketBackend | undefined;

function create(): SandboxBackend {
  backend = websocketBackend({ url, watchIntervalMs: 50 });
  return backend;
}

/** What is served, and so what the tests may ask for. */
const subjects: Readonly<Record<string, ContractSubject>> = {
  memory: {
    ...{ name: 'memory', create, commands: memoryCommands },
    ...{ killsAtOnce: true, lacks: ['services'] },
  },
  local: { name: 'local', create, commands: shellPrograms, lacks: ['isolation'] },
};

/** Runs one test, by its number, against the host at a URL. */
async function runTest(subject: string, number: number, hostUrl: string): Promise<void> {
  url = hostUrl;
  const served = subjects[subject];
  if (served === undefined) throw new Error(`nobody serves ${subject}`);
  const collected = new Collected();
  backendContract(collected, served);
  try {
    await collected.tests[number]?.run();
  } finally {
    backend?.close();
  }
}

Object.assign(globalThis, { runTest });
