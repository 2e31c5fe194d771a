export type { Mount } from './backends/local/bubblewrap-arguments.js';
export { localBackend, type LocalBackendOptions } from './backends/local/local-backend.js';
export type * from './backends/rpc/connected.js';
export { grpcBackend, type GrpcBackendOptions } from './backends/rpc/grpc/grpc-backend.js';
export type { GrpcTls } from './backends/rpc/node/tls.js';
export { websocketBackend, type WsBackendOptions } from './backends/rpc/ws/websocket-backend.js';
