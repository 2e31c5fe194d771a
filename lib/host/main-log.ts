import { Subject, type Observable } from 'rxjs';

/** A piece of a main command's output. */
interface LogPiece {
  readonly data: Uint8Array;
  /** Position of the first byte in the log. */
  readonly offset: number;
  readonly timeMs: number;
}

/** The output of a sandbox's main command: its last `retainBytes`, and who follows it. */
export class MainLog {
  readonly #retainBytes: number;
  readonly #pieces: LogPiece[] = [];
  readonly #changed: Subject<void> = new Subject();
  #end = 0;
  #isComplete = false;

  constructor(retainBytes: number) {
    this.#retainBytes = retainBytes;
  }

  /** The position of the oldest byte that is still there. */
  get start(): number {
    return this.#pieces[0]?.offset ?? this.#end;
  }

  /** The position after the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Nothing more will come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Tells whenever there is more, and when there will be no more. */
  get changed$(): Observable<void> {
    return this.#changed;
  }

  append(data: Uint8Array, timeMs: number): void {
    this.#pieces.push({ data, offset: this.#end, timeMs });
    this.#end += data.length;
    while (
      this.#pieces.length > 1 &&
      this.#end - this.start - (this.#pieces[0]?.data.length ?? 0) >= this.#retainBytes
    )
      this.#pieces.shift();
    this.#changed.next();
  }

  complete(): void {
    this.#isComplete = true;
    this.#changed.next();
  }

  /** The piece that holds the byte at `offset`, from there on; undefined at the end. */
  at(offset: number): LogPiece | undefined {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const piece = this.#pieces[low];
    if (piece === undefined || offset >= this.#end) return undefined;
    const skip = offset - piece.offset;
    return { data: piece.data.subarray(skip), offset, timeMs: piece.timeMs };
  }

  /** Where the last `lines` lines begin. A last line that has not ended counts. */
  startOfLast(lines: number): number {
    let left = lines + 1;
    for (const { data, offset } of [...this.#pieces].reverse()) {
      for (let at = data.length - 1; at >= 0; at--) {
        if (data[at] !== newline && offset + at !== this.#end - 1) continue;
        // The end of the log ends a line, whether by a newline or not.
        if (--left === 0) return offset + at + 1;
      }
    }
    return this.start;
  }

  /** Where what was written since then begins. */
  startOfSince(timeMs: number): number {
    return this.#pieces.find((piece) => piece.timeMs >= timeMs)?.offset ?? this.#end;
  }
}

const newline = 0x0a;
