export type { Mount } from './backends/local/bubblewrap-arguments.js';
export { localBackend, type LocalBackendOptions } from './backends/local/local-backend.js';
