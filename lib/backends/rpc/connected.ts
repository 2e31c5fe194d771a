// What both entries export of every backend that reaches its sandboxes over a connection: name by name, here alone.

export type { ConnectedBackend, ConnectOptions, TokenOption } from './connect-options.js';
export type {
  RunnerCapacity,
  RunnerFilter,
  RunnerInfo,
  Runners,
  ServiceVisibility,
} from './runners.js';
export type {
  TemplateChange,
  TemplateContainer,
  TemplateInfo,
  Templates,
  TemplateSpec,
  TemplateView,
} from './templates.js';
export type { ScopedToken, TokenScope, Tokens } from './tokens.js';
export type { ConnectionState, ConnectionStatus } from './tunnel/connection-status.js';
export type { WebSocketBackend } from './tunnel/tunnel-backend.js';
