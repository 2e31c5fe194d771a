import { decodeExactly, type Codec } from '../wire/codec.js';
import { badField } from './bad-field.js';
import type { CallMetadata } from './call.js';

/**
 * What a client of ours says in the metadata of a call; the defaults where it says nothing.
 *
 * @throws SandboxValidationError where that cannot be read
 */
export function readOptions<T>(
  metadata: CallMetadata,
  key: string,
  codec: Codec<T> & { create(): T },
): T {
  const bytes = metadata[key];
  if (!(bytes instanceof Uint8Array)) return codec.create();
  try {
    return decodeExactly(codec, bytes);
  } catch (cause) {
    throw badField(key, 'it cannot be read', { cause });
  }
}
