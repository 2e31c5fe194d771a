export type { Mount } from './backends/local/bubblewrap-arguments.js';
export { localBackend, type LocalBackendOptions } from './backends/local/local-backend.js';
export type {
  ConnectedBackend,
  ConnectOptions,
  TokenOption,
} from './backends/rpc/connect-options.js';
export { grpcBackend, type GrpcBackendOptions } from './backends/rpc/grpc/grpc-backend.js';
export type { GrpcTls } from './backends/rpc/node/tls.js';
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
export type { ConnectionState, ConnectionStatus } from './backends/rpc/tunnel/connection-status.js';
export type { WebSocketBackend } from './backends/rpc/tunnel/tunnel-backend.js';
export { websocketBackend, type WsBackendOptions } from './backends/rpc/ws/websocket-backend.js';
export type { ScopedToken, TokenScope, Tokens } from './backends/rpc/tokens.js';
