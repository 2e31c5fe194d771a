import { createSecureContext } from 'node:tls';
import { SandboxValidationError } from '../../../process/errors/errors.js';
import { messageOf } from '../../../process/errors/message-of.js';
import { checkRecord, refuse } from '../../../process/validate.js';

/** Certificates for a connection, as PEM. */
export interface GrpcTls {
  /** Whom to trust. Default: the certificate authorities that Node trusts. */
  readonly rootCertificates?: Uint8Array;
  /** Who we are, where the server wants to know it (mutual TLS); goes with `clientKey`. */
  readonly clientCertificate?: Uint8Array;
  readonly clientKey?: Uint8Array;
}

/** @throws SandboxValidationError */
export function checkTls(tls: GrpcTls): void {
  checkRecord('tls', tls);
  for (const name of ['rootCertificates', 'clientCertificate', 'clientKey'] as const) {
    const value = tls[name];
    if (value !== undefined && !(value instanceof Uint8Array))
      refuse(`tls.${name}`, 'a Uint8Array of PEM', value);
  }
  if ((tls.clientKey === undefined) !== (tls.clientCertificate === undefined))
    refuse('tls.clientKey', 'given together with tls.clientCertificate', tls.clientKey);
  try {
    createSecureContext(pemsOf(tls));
  } catch (cause) {
    throw new SandboxValidationError(`tls cannot be used: ${messageOf(cause)}`, { cause });
  }
}

/** Certificates as `node:tls` names them. */
export interface Pems {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export function pemsOf({ rootCertificates, clientCertificate, clientKey }: GrpcTls): Pems {
  return {
    ...(rootCertificates !== undefined && { ca: Buffer.from(rootCertificates) }),
    ...(clientCertificate !== undefined && { cert: Buffer.from(clientCertificate) }),
    ...(clientKey !== undefined && { key: Buffer.from(clientKey) }),
  };
}
