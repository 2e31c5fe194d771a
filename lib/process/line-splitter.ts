import { OutputLimitError } from './errors/errors.js';

/** The longest line that is held when nothing else is said, in UTF-16 code units. */
export const defaultMaxLineLength = 1_048_576;

const carriageReturn = 0x0d;

/**
 * Splits text that comes in pieces into lines. Lines end at `\n`; a `\r` directly before it belongs to the
 * terminator. Where `redraw` is set, a lone `\r` starts the line over, as on a terminal.
 */
export class LineSplitter {
  readonly #maxLength: number;
  readonly #redraw: boolean;
  /** The line whose end has not been seen. */
  #rest = '';

  constructor(maxLength: number = defaultMaxLineLength, redraw = false) {
    this.#maxLength = maxLength;
    this.#redraw = redraw;
  }

  push(text: string, emit: (line: string) => void): void {
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      const end = at > from && text.charCodeAt(at - 1) === carriageReturn ? at - 1 : at;
      const line = text.slice(from, end);
      from = at + 1;
      emit(this.#rest === '' ? this.#whole(line) : this.#whole(this.#continue(line)));
    }
    if (from < text.length) this.#keep(from === 0 ? text : text.slice(from));
  }

  /** Hands over the last line when it had no terminator. */
  end(emit: (line: string) => void): void {
    const line = this.#rest;
    this.#rest = '';
    if (line !== '') emit(this.#redraw ? visible(line) : line);
  }

  /** The held beginning of a line with its end; the `\r` of a split `\r\n` may be the last thing held. */
  #continue(end: string): string {
    const rest = this.#rest;
    this.#rest = '';
    return end === '' && rest.charCodeAt(rest.length - 1) === carriageReturn
      ? rest.slice(0, -1)
      : rest + end;
  }

  #whole(line: string): string {
    const shown = this.#redraw ? visible(line) : line;
    if (shown.length > this.#maxLength) this.#refuse();
    return shown;
  }

  #keep(text: string): void {
    const rest = this.#rest + text;
    this.#rest = this.#redraw ? withoutOverdrawn(rest) : rest;
    // One more, because a `\r` at the end may be the first half of a terminator.
    if (this.#rest.length > this.#maxLength + 1) this.#refuse();
  }

  #refuse(): never {
    this.#rest = '';
    throw new OutputLimitError(
      `a line is longer than maxLength (${this.#maxLength} UTF-16 code units); raise maxLength or split the output otherwise`,
      this.#maxLength,
    );
  }
}

/** What a terminal shows of a line: the text after its last carriage return that more text followed. */
function visible(line: string): string {
  const drawn = line.endsWith('\r') ? line.slice(0, -1) : line;
  return drawn.slice(drawn.lastIndexOf('\r') + 1);
}

/** The same, with a carriage return at the end kept: what follows decides what it means. */
function withoutOverdrawn(line: string): string {
  return line.slice(line.lastIndexOf('\r', line.length - 2) + 1);
}
