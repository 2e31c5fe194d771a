/** Bytes in parts, one after another, so that large ones need no copy. They are not changed any more. */
export type Parts = readonly Uint8Array[];

/** How many bytes the parts have together. */
export function lengthOf(parts: Parts): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

/** The bytes of all as one array; not a copy where there is only one. */
export function joined(parts: Parts): Uint8Array {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : concatBytes(parts);
}

/** One array of the bytes of all. */
export function concatBytes(parts: Parts): Uint8Array {
  const whole = new Uint8Array(lengthOf(parts));
  copyParts(parts, whole, 0);
  return whole;
}

/** Copies the bytes of all to a place in another array. */
export function copyParts(parts: Parts, target: Uint8Array, at: number): void {
  let offset = at;
  for (const part of parts) {
    target.set(part, offset);
    offset += part.length;
  }
}
