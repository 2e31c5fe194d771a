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
