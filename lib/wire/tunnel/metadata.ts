import type { Metadata as Entry } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { TunnelViolation } from './end-reason.js';

/** What goes beside messages: keys in lower case; those that end in `-bin` have bytes. */
export type TunnelMetadata = Readonly<Record<string, string | Uint8Array>>;

export function metadataEntries(metadata: TunnelMetadata): Entry[] {
  return Object.entries(metadata).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { $case: 'text', value } : { $case: 'bytes', value },
  }));
}

/** What came; not more than this end said that it takes. */
export function metadataOf(entries: readonly Entry[], maxBytes: number): TunnelMetadata {
  let bytes = 0;
  const pairs = entries.map(({ key, value }) => {
    bytes += key.length + (value?.value.length ?? 0);
    return [key, value?.value ?? ''] as const;
  });
  if (bytes > maxBytes) throw new TunnelViolation('limit', 'the metadata is too large');
  return Object.fromEntries(pairs);
}
