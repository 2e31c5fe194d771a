import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as PEM. */
interface Pair {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Certificates as OpenSSL makes them: an authority, and a server's and a client's that it signed. */
export interface Certificates {
  readonly authority: Buffer;
  readonly server: Pair;
  readonly client: Pair;
}

/** Makes them in a directory of their own, which is gone afterwards. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'sandbox-rx-tls-'));
  const openssl = (...words: string[]) =>
    execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const pair = (name: string): Pair => ({
    certificate: readFileSync(join(folder, `${name}.pem`)),
    key: readFileSync(join(folder, `${name}.key`)),
  });
  try {
    const self = ['-x509', '-days', '1', '-subj', '/CN=test authority'];
    openssl('req', ...key, ...self, '-keyout', 'authority.key', '-out', 'authority.pem');
    for (const name of ['server', 'client']) {
      const names = [
        '-subj',
        `/CN=${name}`,
        '-addext',
        'subjectAltName=IP:127.0.0.1,DNS:localhost',
      ];
      openssl('req', ...key, ...names, '-keyout', `${name}.key`, '-out', `${name}.csr`);
      const authority = ['-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial'];
      const copied = ['-copy_extensions', 'copy', '-days', '1'];
      openssl('x509', '-req', '-in', `${name}.csr`, ...authority, ...copied, '-out', `${name}.pem`);
    }
    const { certificate: authority } = pair('authority');
    return { authority, server: pair('server'), client: pair('client') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
