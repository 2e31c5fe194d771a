import { isIP } from 'node:net';
import { SandboxValidationError } from '../../process/errors/errors.js';

/** What decides who can reach a host, and read along. */
interface Exposure {
  readonly address: string;
  readonly hasTokens: boolean;
  readonly hasTls: boolean;
  readonly insecure: boolean;
}

/** Whoever reaches a host runs commands on it. @throws SandboxValidationError where anybody could. */
export function checkExposure({ address, hasTokens, hasTls, insecure }: Exposure): void {
  if (insecure || isLoopback(address) || (hasTokens && hasTls)) return;
  const missing = [...(hasTokens ? [] : ['tokens']), ...(hasTls ? [] : ['tls'])].join(' and ');
  throw new SandboxValidationError(
    `address ${address} can be reached from other machines, and this host has no ${missing}: ` +
      `give ${missing}, listen on 127.0.0.1, or say insecure (--insecure) where the network keeps others away`,
  );
}

/** Whether only this machine can connect to an address. */
function isLoopback(address: string): boolean {
  if (address === 'localhost' || address === '::1') return true;
  return isIP(address) === 4 && address.startsWith('127.');
}
