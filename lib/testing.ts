export {
  memoryBackend,
  type MemoryBackend,
  type MemoryBackendOptions,
  type RecordedRun,
} from './backends/memory/memory-backend.js';
export {
  delay,
  err,
  exit,
  out,
  type Program,
  type ProgramContext,
  type ProgramStep,
} from './backends/memory/program.js';
export { backendContract } from '../spec/contract/backend-contract.js';
export type {
  ContractSubject,
  FixturePrograms,
  TestFramework,
} from '../spec/contract/contract-subject.js';
export { shellPrograms } from '../spec/contract/shell-programs.js';
