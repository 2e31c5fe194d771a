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
      const line = this.#rest === '' ? text.slice(from, at) : this.#continue(text.slice(from, at));
      from = at + 1;
      emit(this.#whole(withoutTerminator(line)));
    }
    if (from < text.length) this.#keep(from === 0 ? text : text.slice(from));
  }

  /** Hands over the last line when it had no terminator. */
  end(emit: (line: string) => void): void {
    const line = this.#continue('');
    if (line !== '') emit(this.#whole(line));
  }

  /** The held beginning of a line with its end. */
  #continue(end: string): string {
    const line = this.#rest + end;
    this.#rest = '';
    return line;
  }

  #whole(line: string): string {
    const shown = this.#redraw ? visible(line) : line;
    if (shown.length > this.#maxLength) this.#refuse();
    return shown;
  }

  #keep(text: string): void {
    const rest = this.#rest + text;
    this.#rest = this.#redraw ? withoutOverdrawn(rest) : rest;
    // One more, where a `\r` at the end may be the first half of a terminator.
    const tooLong = this.#rest.length - this.#maxLength;
    if (tooLong > 1 || (tooLong === 1 && !this.#rest.endsWith('\r'))) this.#refuse();
  }

  #refuse(): never {
    this.#rest = '';
    throw new OutputLimitError(
      `a line is longer than maxLength (${this.#maxLength} UTF-16 code units); raise maxLength or split the output otherwise`,
      this.#maxLength,
    );
  }
}

function withoutTerminator(line: string): string {
  return line.charCodeAt(line.length - 1) === carriageReturn ? line.slice(0, -1) : line;
}

/** What a terminal shows of a line: the text after its last carriage return that more text followed. */
function visible(line: string): string {
  const end = drawnLength(line);
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
}

/** The same, with a carriage return kept that may be drawn over next. */
function withoutOverdrawn(line: string): string {
  return drawnLength(line) === line.length ? visible(line) : `${visible(line)}\r`;
}

/** Length without the carriage returns at the end: nothing has been drawn over yet. */
function drawnLength(line: string): number {
  let length = line.length;
  while (length > 0 && line.charCodeAt(length - 1) === carriageReturn) length--;
  return length;
}
