/** Chunks below this size are copied together, so that a flood of tiny writes costs no object for each. */
const smallChunkBytes = 4096;
const blockBytes = 65_536;
/** With more blocks than this, tiny writes of the two streams are no longer kept in their exact interleaving. */
const exactOrderBlocks = 4096;
/** Dropped blocks are cut off the array in batches, because cutting costs its whole length. */
const compactAfter = 64;

const nothing = new Uint8Array();

interface Block {
  /** Orders the blocks of the two streams of one run. */
  readonly sequence: number;
  /** Position of the first byte in the stream. */
  readonly offset: number;
  data: Uint8Array;
  length: number;
  /** The block is ours to append to: its bytes were copied. */
  owned: boolean;
}

/**
 * What one run remembers of one of its output streams: the bytes from `start` to `end`, in blocks that are shared
 * with whoever received them. Large chunks are held by reference, small ones are copied together.
 */
export class StreamLog {
  /** Position of the oldest byte that is kept. */
  start = 0;
  /** Position after the newest byte. */
  end = 0;
  /** Bytes from `start` to `end` without those that were never received. */
  #keptBytes = 0;
  #blocks: Block[] = [];
  /** The blocks before this index have been dropped. */
  #head = 0;
  /** How many blocks were cut off the front of the array. */
  #cut = 0;

  /** Bytes that are missing before `end`: dropped here, or never received. */
  get droppedBytes(): number {
    return this.end - this.#keptBytes;
  }

  /** Adds a chunk. `adjacent` says that the run's last event was of this stream too. */
  append(
    data: Uint8Array,
    offset: number,
    position: { sequence: number; adjacent: boolean },
  ): void {
    if (offset > this.end) this.#skipTo(offset);
    if (data.length === 0) return;
    this.#keptBytes += data.length;
    const tail = this.#blocks[this.#blocks.length - 1];
    if (tail !== undefined && this.#blocks.length > this.#head && canJoin(tail, data, this.end)) {
      if (position.adjacent || this.#blocks.length - this.#head > exactOrderBlocks) {
        join(tail, data);
        this.end += data.length;
        return;
      }
    }
    const { sequence } = position;
    this.#blocks.push({ sequence, offset: this.end, data, length: data.length, owned: false });
    this.end += data.length;
  }

  /** Forgets everything before `offset`. */
  dropBefore(offset: number): void {
    if (offset <= this.start) return;
    let block = this.#blocks[this.#head];
    for (; block !== undefined && endOf(block) <= offset; block = this.#blocks[++this.#head]) {
      this.#keptBytes -= endOf(block) - Math.max(this.start, block.offset);
      // The block stays in the array until the next cut; its bytes need not.
      block.data = nothing;
    }
    if (block !== undefined) {
      this.#keptBytes -= Math.max(0, offset - Math.max(this.start, block.offset));
    }
    this.start = offset;
    if (this.#head >= compactAfter && this.#head * 2 >= this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#head);
      this.#cut += this.#head;
      this.#head = 0;
    }
  }

  /** Everything that is kept, in one piece. */
  bytes(): Uint8Array {
    const cursor = new LogCursor(this);
    const first = cursor.next();
    if (first === undefined) return new Uint8Array();
    if (cursor.position === this.end) return first;
    const whole = new Uint8Array(this.end - cursor.position + first.length);
    let length = 0;
    for (let piece: Uint8Array | undefined = first; piece !== undefined; piece = cursor.next()) {
      whole.set(piece, length);
      length += piece.length;
    }
    return whole.subarray(0, length);
  }

  /** @internal The block with this number, counted from the stream's start, or the oldest that is kept. */
  blockAt(index: number): { readonly index: number; readonly block: Readonly<Block> | undefined } {
    const kept = Math.max(index, this.#cut + this.#head);
    return { index: kept, block: this.#blocks[kept - this.#cut] };
  }

  #skipTo(offset: number): void {
    if (this.start === this.end) this.start = offset;
    this.end = offset;
  }
}

function endOf(block: Block): number {
  return block.offset + block.length;
}

function canJoin(tail: Block, data: Uint8Array, end: number): boolean {
  return (
    data.length < smallChunkBytes &&
    (tail.owned || tail.length < smallChunkBytes) &&
    tail.length + data.length <= blockBytes &&
    tail.offset + tail.length === end
  );
}

function join(tail: Block, data: Uint8Array): void {
  const length = tail.length + data.length;
  if (!tail.owned || length > tail.data.length) {
    const grown = new Uint8Array(Math.min(blockBytes, length * 2));
    grown.set(tail.data.subarray(0, tail.length));
    tail.data = grown;
    tail.owned = true;
  }
  tail.data.set(data, tail.length);
  tail.length = length;
}

/** A position in a {@link StreamLog} that reads forward, and skips what was dropped meanwhile. */
export class LogCursor {
  /** Offset of the next byte. */
  position: number;
  readonly #log: StreamLog;
  #index = 0;

  constructor(log: StreamLog, from: number = 0) {
    this.#log = log;
    this.position = Math.max(from, log.start);
  }

  /** Where the next piece stands among those of both streams; `undefined` when everything was read. */
  get sequence(): number | undefined {
    return this.#seek()?.sequence;
  }

  /** The next piece before `limit`, without a copy; `position` is then its end. */
  next(limit: number = Infinity): Uint8Array | undefined {
    const block = this.#seek();
    if (block === undefined || this.position >= limit) return undefined;
    const begin = this.position - block.offset;
    const end = Math.min(block.length, limit - block.offset);
    this.position = block.offset + end;
    // Most pieces are whole chunks, which need no view of their own.
    if (begin === 0 && end === block.data.length) return block.data;
    return block.data.subarray(begin, end);
  }

  #seek(): Readonly<Block> | undefined {
    if (this.position < this.#log.start) this.position = this.#log.start;
    for (;;) {
      const { index, block } = this.#log.blockAt(this.#index);
      this.#index = index;
      if (block === undefined) return undefined;
      if (this.position < block.offset + block.length) {
        if (this.position < block.offset) this.position = block.offset;
        return block;
      }
      // The last block may still grow, so the cursor stays with it.
      if (this.#log.blockAt(index + 1).block === undefined) return undefined;
      this.#index++;
    }
  }
}
