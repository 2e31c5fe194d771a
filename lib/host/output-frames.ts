import type { OutputEvent } from '../process/process-event.js';
import { encodedOutput, type FrameOutput } from '../wire/exec-frames.js';
import type { HostStream } from './call.js';

/** So much is told in one frame at most, unless it came in one piece. */
const frameBytes = 262_144;

/** So much may wait, beside what the connection has. */
const waitingBytes = 262_144;

/** What a frame costs beside its bytes. */
const overheadBytes = 64;

/** A frame that waits, and may grow. */
interface WaitingFrame extends FrameOutput {
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** Where frames go. */
type Stream = Pick<HostStream<never, never>, 'sendEncoded' | 'whenDrained'>;

/**
 * The output of a run on its way to the caller: at once while the caller keeps up; while it is behind, what comes is
 * gathered, and sent in frames as large as they may be. When enough waits, the process does.
 */
export class OutputFrames {
  readonly #stream: Stream;
  readonly #pause: (paused: boolean) => void;
  /** In the order in which it came. */
  readonly #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  #isBehind = false;
  #isPaused = false;

  constructor(stream: Stream, pause: (paused: boolean) => void) {
    this.#stream = stream;
    this.#pause = pause;
  }

  add(event: OutputEvent): void {
    if (this.#isBehind) this.#gather(event);
    else this.#send({ type: event.type, pieces: [event.data], bytes: event.data.length });
  }

  /** Sends what waits, whether the caller is behind or not. */
  flush(): void {
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) this.#send(frame);
  }

  #gather({ type, data }: OutputEvent): void {
    const last = this.#waiting.at(-1);
    if (last?.type === type && last.bytes + data.length <= frameBytes) {
      last.pieces.push(data);
      last.bytes += data.length;
    } else {
      this.#waiting.push({ type, pieces: [data], bytes: data.length });
      this.#waitingBytes += overheadBytes;
    }
    this.#waitingBytes += data.length;
    this.#setPaused();
  }

  #next(): FrameOutput | undefined {
    const frame = this.#waiting.shift();
    if (frame !== undefined) this.#waitingBytes -= frame.bytes + overheadBytes;
    return frame;
  }

  #send(output: FrameOutput): void {
    const hasRoom = this.#stream.sendEncoded(encodedOutput(output, allocate));
    if (hasRoom || this.#isBehind) return;
    this.#isBehind = true;
    this.#stream.whenDrained(() => {
      this.#isBehind = false;
      this.#resume();
    });
  }

  #resume(): void {
    while (!this.#isBehind) {
      const frame = this.#next();
      if (frame === undefined) break;
      this.#send(frame);
    }
    this.#setPaused();
  }

  #setPaused(): void {
    const isFull = this.#waitingBytes >= waitingBytes;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    this.#pause(isFull);
  }
}

/** Every byte is written before it is sent. */
function allocate(length: number): Uint8Array {
  return Buffer.allocUnsafe(length);
}
