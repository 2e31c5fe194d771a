export type { Mount } from './backends/local/bubblewrap-arguments.js';
export { localBackend, type LocalBackendOptions } from './backends/local/local-backend.js';
export {
  grpcBackend,
  type ConnectedBackend,
  type GrpcBackendOptions,
  type GrpcTls,
} from './backends/rpc/grpc/grpc-backend.js';
export type {
  RunnerCapacity,
  RunnerFilter,
  RunnerInfo,
  Runners,
  ServiceVisibility,
} from './backends/rpc/runners.js';
export type {
  TemplateChange,
  TemplateContainer,
  TemplateInfo,
  Templates,
  TemplateSpec,
  TemplateView,
} from './backends/rpc/templates.js';
export type { ScopedToken, TokenScope, Tokens } from './backends/rpc/tokens.js';
