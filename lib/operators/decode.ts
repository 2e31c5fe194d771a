import type { OperatorFunction } from 'rxjs';
import { TextStreamDecoder } from '../process/text-stream-decoder.js';
import { staged } from './staged.js';

/**
 * Decodes bytes to text. A character that was split between two chunks comes out whole, with the later one; bytes
 * that are no character become U+FFFD, and so does a character whose end never comes.
 *
 * ```text
 * source     --a--b--|     a = 68 E2   b = 82 AC
 * decode()   --x--y--|     x = 'h'     y = '€'
 * ```
 *
 * @param label - A label of the WHATWG Encoding standard. Default `'utf-8'`.
 * @throws {@link SandboxValidationError} at once, for an unknown label.
 * @see {@link https://encoding.spec.whatwg.org/#names-and-labels | Names and labels}
 *
 * @example
 * ```ts
 * import { decode, stdout, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * sandbox.exec$(['cat', 'letter.txt']).pipe(stdout(), decode('windows-1252')).subscribe(console.log);
 * ```
 */
export function decode(label = 'utf-8'): OperatorFunction<Uint8Array, string> {
  new TextStreamDecoder(label);
  return staged((subscriber) => {
    const decoder = new TextStreamDecoder(label);
    const emit = (text: string): void => {
      if (text !== '') subscriber.next(text);
    };
    return {
      next: (bytes) => {
        emit(decoder.decode(bytes));
      },
      flush: () => {
        emit(decoder.end());
      },
    };
  });
}
