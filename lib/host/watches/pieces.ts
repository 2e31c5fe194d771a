/** So much is told in one message, unless a single item is larger. */
const pieceBytes = 65_536;

/** Some of the items of a list. */
export interface Piece<T> {
  readonly items: readonly T[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Cuts a list into what fits a message; at least one piece, which may be empty. Each item is made when it is needed. */
export function* pieces<Item, T>(
  items: readonly Item[],
  make: (item: Item) => T,
  sizeOf: (made: T) => number,
): Generator<Piece<T>, void> {
  let piece: T[] = [];
  let bytes = 0;
  let isFirst = true;
  for (const item of items) {
    const made = make(item);
    const size = sizeOf(made);
    if (piece.length > 0 && bytes + size > pieceBytes) {
      yield { items: piece, isFirst, isLast: false };
      [piece, bytes, isFirst] = [[], 0, false];
    }
    piece.push(made);
    bytes += size;
  }
  yield { items: piece, isFirst, isLast: true };
}
