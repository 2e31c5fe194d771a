import { SandboxValidationError } from './errors/errors.js';

/** The two built-ins of Node that make ASCII text several times faster than its `TextDecoder`. */
interface AsciiCodec {
  isAscii(bytes: Uint8Array): boolean;
  decode(bytes: Uint8Array): string;
}

interface NodeBuiltins {
  getBuiltinModule?(id: 'buffer'): { isAscii(bytes: Uint8Array): boolean };
  getBuiltinModule?(id: 'string_decoder'): {
    StringDecoder: new (encoding: 'latin1') => { write(bytes: Uint8Array): string };
  };
}

/**
 * Node decodes ASCII through ICU at a sixth of the speed of a latin1 copy; browsers do not have that gap. The
 * built-ins are asked for at run time, so that this file stays free of imports that a browser cannot resolve.
 */
function asciiCodec(): AsciiCodec | undefined {
  const { process } = globalThis as { readonly process?: NodeBuiltins };
  if (typeof process?.getBuiltinModule !== 'function') return undefined;
  const buffer = process.getBuiltinModule('buffer');
  const { StringDecoder } = process.getBuiltinModule('string_decoder');
  const latin1 = new StringDecoder('latin1');
  return { isAscii: (bytes) => buffer.isAscii(bytes), decode: (bytes) => latin1.write(bytes) };
}

const ascii = asciiCodec();

/**
 * Decodes one stream of bytes piece by piece. A character split over two pieces comes out whole, and bytes that
 * are no character become U+FFFD, as the Encoding standard says.
 *
 * @see {@link https://encoding.spec.whatwg.org/#interface-textdecoder | TextDecoder with `stream: true`}
 */
export class TextStreamDecoder {
  #decoder: TextDecoder;
  readonly #fast: AsciiCodec | undefined;
  /** Nothing was decoded yet, so a byte order mark may still come. */
  #fresh: boolean;
  /** The last byte seen may belong to an unfinished character. */
  #pending = false;

  /** `begun`: the stream began earlier, so there is no byte order mark to take off. */
  constructor(encoding: string, { begun = false }: { readonly begun?: boolean } = {}) {
    this.#decoder = createDecoder(encoding, begun);
    this.#fast = this.#decoder.encoding === 'utf-8' ? ascii : undefined;
    this.#fresh = !begun;
  }

  /** The encoding's name in the Encoding standard, whichever label it was given by. */
  get encoding(): string {
    return this.#decoder.encoding;
  }

  decode(bytes: Uint8Array): string {
    const last = bytes.at(-1);
    if (last === undefined) return '';
    if (this.#fast !== undefined && !this.#pending && this.#fast.isAscii(bytes)) {
      if (this.#fresh) this.#skipByteOrderMark();
      return this.#fast.decode(bytes);
    }
    this.#fresh = false;
    this.#pending = last >= 0x80;
    try {
      return this.#decoder.decode(bytes, { stream: true });
    } catch {
      // Node's decoder throws at some malformed gb18030, EUC-JP and ISO-2022-JP, although it is not to be fatal.
      this.#decoder = new TextDecoder(this.#decoder.encoding, { ignoreBOM: true });
      return '\uFFFD';
    }
  }

  /** What is left: U+FFFD for a character that never got its last bytes, otherwise nothing. */
  end(): string {
    return this.#decoder.decode();
  }

  /** The stream began with something else, and the decoder has not seen it. */
  #skipByteOrderMark(): void {
    this.#fresh = false;
    this.#decoder = new TextDecoder(this.#decoder.encoding, { ignoreBOM: true });
  }
}

function createDecoder(encoding: string, ignoreBOM: boolean): TextDecoder {
  try {
    return new TextDecoder(encoding, { ignoreBOM });
  } catch (cause) {
    throw new SandboxValidationError(
      `encoding must be a label of the WHATWG Encoding standard, such as 'utf-8'; got ${JSON.stringify(encoding)}`,
      { cause },
    );
  }
}
