import type { OutputEvent, OutputStream } from '../process/process-event.js';
import { encodedOutput, type FrameOutput } from '../wire/exec-frames.js';
import type { HostStream } from './call.js';

/** What a frame costs beside its bytes. */
const overheadBytes = 64;

/** A frame that waits, and may grow. */
interface WaitingFrame extends FrameOutput {
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** How frames are made. */
interface FramesOptions {
  /** Output in one frame at most, in bytes. About as much may wait, beside what the connection has. */
  readonly maxFrameBytes: number;
  /** Makes the process wait, or go on. */
  readonly pause: (paused: boolean) => void;
}

/** Where frames go. */
type Stream = Pick<HostStream<never, never>, 'sendEncoded' | 'whenDrained' | 'pieceBytes'>;

/**
 * The output of a run on its way to the caller: while the caller keeps up, what comes in one turn of the event loop goes at
 * its end; while it is behind, what comes is gathered, and sent in frames as large as they may be. When enough waits, the
 * process does.
 */
export class OutputFrames {
  readonly #stream: Stream;
  readonly #pause: (paused: boolean) => void;
  readonly #maxFrameBytes: number;
  readonly #maxWaitingBytes: number;
  /** In the order in which it came. */
  readonly #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  #isBehind = false;
  /** What waits is sent when this turn is over. */
  #isDue = false;
  #isPaused = false;

  constructor(stream: Stream, { maxFrameBytes, pause }: FramesOptions) {
    this.#stream = stream;
    this.#pause = pause;
    this.#maxFrameBytes = Math.min(maxFrameBytes, stream.pieceBytes);
    // Where frames are small, a few of them.
    this.#maxWaitingBytes = Math.min(maxFrameBytes, 4 * stream.pieceBytes);
  }

  add({ type, data }: OutputEvent): void {
    const maxFrameBytes = this.#maxFrameBytes;
    for (let at = 0; at < data.length; at += maxFrameBytes) {
      const piece = data.length <= maxFrameBytes ? data : data.subarray(at, at + maxFrameBytes);
      this.#gather(type, piece);
      if (this.#waitingBytes >= maxFrameBytes) this.#drain();
    }
    if (this.#waiting.length > 0) this.#sendSoon();
    this.#setPaused();
  }

  /** Sends what waits, whether the caller is behind or not. */
  flush(): void {
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) this.#send(frame);
  }

  /** Output of a stream that has not been sent, in bytes. */
  waiting(type: OutputStream): number {
    const ofStream = this.#waiting.filter((frame) => frame.type === type);
    return ofStream.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #gather(type: OutputStream, data: Uint8Array): void {
    const last = this.#waiting.at(-1);
    if (last?.type === type && last.bytes + data.length <= this.#maxFrameBytes) {
      last.pieces.push(data);
      last.bytes += data.length;
    } else {
      this.#waiting.push({ type, pieces: [data], bytes: data.length });
      this.#waitingBytes += overheadBytes;
    }
    this.#waitingBytes += data.length;
  }

  #sendSoon(): void {
    if (this.#isDue || this.#isBehind) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#resume();
    });
  }

  #next(): FrameOutput | undefined {
    const frame = this.#waiting.shift();
    if (frame !== undefined) this.#waitingBytes -= frame.bytes + overheadBytes;
    return frame;
  }

  #send(output: FrameOutput): void {
    const hasRoom = this.#stream.sendEncoded(encodedOutput(output));
    if (hasRoom || this.#isBehind) return;
    this.#isBehind = true;
    this.#stream.whenDrained(() => {
      this.#isBehind = false;
      this.#resume();
    });
  }

  #resume(): void {
    this.#drain();
    this.#setPaused();
  }

  /** Sends what waits as far as the caller keeps up. */
  #drain(): void {
    while (!this.#isBehind) {
      const frame = this.#next();
      if (frame === undefined) return;
      this.#send(frame);
    }
  }

  /** Room for half has to be there before the process goes on: it does not stop and start for each frame. */
  #setPaused(): void {
    const limit = this.#isPaused ? this.#maxWaitingBytes / 2 : this.#maxWaitingBytes;
    const isFull = this.#waitingBytes >= limit;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    this.#pause(isFull);
  }
}
