import {
  createSecureContext,
  type CommonConnectionOptions,
  type SecureContextOptions,
} from 'node:tls';
import { SandboxValidationError } from '../../process/errors/errors.js';
import { checkRecord, refuse } from '../../process/validate.js';

/** Certificates of a host, as PEM. */
export interface HostTls {
  /** The host's own certificate, with those between it and its authority behind it. */
  readonly certificate: Uint8Array;
  /** The private key of `certificate`. */
  readonly key: Uint8Array;
  /** Authorities of clients. Where they are given, a client needs a certificate of one of them (mutual TLS). */
  readonly clientAuthorities?: Uint8Array;
}

/** Refuses what is no {@link HostTls}, and what OpenSSL cannot use; `undefined` passes. @throws SandboxValidationError */
export function checkTls(tls: HostTls | undefined): void {
  if (tls === undefined) return;
  checkRecord('tls', tls);
  for (const name of ['certificate', 'key', 'clientAuthorities'] as const) {
    const value: unknown = tls[name];
    if (value === undefined && name === 'clientAuthorities') continue;
    // What is there instead may be a key, so it is not shown.
    if (!(value instanceof Uint8Array)) refuse(`tls.${name}`, 'a Uint8Array of PEM', typeof value);
  }
  const { certificate, key, clientAuthorities } = buffersOf(tls);
  try {
    createSecureContext({
      cert: certificate,
      key,
      ...(clientAuthorities && { ca: clientAuthorities }),
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'they are malformed';
    throw new SandboxValidationError(`tls: the certificates cannot be used: ${why}`, { cause });
  }
}

/** How a server proves who it is, and asks clients who they are. */
export function serverOptions(tls: HostTls): SecureContextOptions & CommonConnectionOptions {
  const { certificate, key, clientAuthorities } = buffersOf(tls);
  const isMutual = clientAuthorities !== undefined;
  return {
    ...{ cert: certificate, key, requestCert: isMutual, rejectUnauthorized: isMutual },
    ...(isMutual && { ca: clientAuthorities }),
  };
}

function buffersOf({ certificate, key, clientAuthorities }: HostTls): {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly clientAuthorities: Buffer | undefined;
} {
  return {
    certificate: Buffer.from(certificate),
    key: Buffer.from(key),
    clientAuthorities: clientAuthorities && Buffer.from(clientAuthorities),
  };
}
