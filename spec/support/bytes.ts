/** Text as UTF-8. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Several pieces as one. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let length = 0;
  for (const piece of pieces) {
    whole.set(piece, length);
    length += piece.length;
  }
  return whole;
}

/** Cuts at the given places, each a share from 0 to 1 of the whole; pieces may be empty. */
export function cut<T extends Uint8Array | string>(whole: T, places: readonly number[]): T[] {
  const offsets = places.map((place) => Math.floor(place * whole.length)).sort((a, b) => a - b);
  return [0, ...offsets].map((from, i) => whole.slice(from, offsets[i] ?? whole.length) as T);
}
