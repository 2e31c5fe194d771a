export type { ScopedTokenOptions } from './host/auth/scoped-token-options.js';
export type { HostTls } from './host/auth/tls.js';
export { readTokens, type HostToken } from './host/auth/tokens.js';
export type { HostOptions } from './host/host-options.js';
export { Host, type DrainOptions } from './host/host.js';
export type { HostLimits } from './host/limits.js';
export type { Logger } from './host/logger.js';
