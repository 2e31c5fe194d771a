import { SandboxValidationError } from '../../process/errors/errors.js';
import { checkInteger, checkRecord, maxTimerMs } from '../../process/validate.js';

/** How a host makes tokens for a while, for callers who have one of its own. */
export interface ScopedTokenOptions {
  /**
   * What they are signed with: at least 32 random bytes. Hosts with the same key and the same `tokens` take each other's,
   * also after a restart. Default: a new one for each host, so that a restart ends all of them.
   */
  readonly key?: Uint8Array;
  /** How long one is good for where its caller does not say, in milliseconds. Default 900000: 15 minutes. */
  readonly ttlMs?: number;
  /** How long one may be good for, in milliseconds. Default 86400000: 24 hours. */
  readonly maxTtlMs?: number;
}

/** Those of a host that was told nothing. */
export const usualTtls: Required<Omit<ScopedTokenOptions, 'key'>> = {
  ttlMs: 900_000,
  maxTtlMs: 86_400_000,
};

/** As many bytes as a signature has; fewer could be guessed. */
const minKeyBytes = 32;

/** Refuses what are no {@link ScopedTokenOptions}; `undefined` passes. @throws SandboxValidationError */
export function checkScopedTokens(options: ScopedTokenOptions | undefined): void {
  if (options === undefined) return;
  checkRecord('scopedTokens', options);
  const key: unknown = options.key;
  // What is there instead may be a key, so it is not shown.
  if (key !== undefined && !(key instanceof Uint8Array && key.length >= minKeyBytes)) {
    const text = `scopedTokens.key must be a Uint8Array of at least ${minKeyBytes} bytes`;
    throw new SandboxValidationError(text);
  }
  for (const name of ['ttlMs', 'maxTtlMs'] as const)
    checkInteger(`scopedTokens.${name}`, options[name], { min: 1, max: maxTimerMs });
}
