import { withDefaults } from '../../process/with-defaults.js';
import type { Limits } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { TunnelViolation } from './end-reason.js';
import { maxMessageBytes } from '../codec.js';

/** What one end of a tunnel takes, keeps and waits for. The first six are told to the other end. */
export interface TunnelLimits {
  /** Calls that the other end may have open at one time. Default 1024. */
  readonly maxStreams: number;
  /** Bytes of one frame. Default 64 KiB and 1 KiB for what surrounds them, so that an output of 64 KiB is one frame. */
  readonly maxFrameBytes: number;
  /** Bytes of one message. Default 100 MiB. */
  readonly maxMessageBytes: number;
  /** Bytes of keys and values of a call's metadata, and of how it ended. Default 32 KiB. */
  readonly maxMetadataBytes: number;
  /** Bytes that a stream may be sent at first before they are read. Default 512 KiB. */
  readonly windowBytes: number;
  /** Bytes that may have been sent and not acknowledged; past it nothing is sent. Default 8 MiB. */
  readonly maxUnackedBytes: number;
  /** What `windowBytes` may grow to where the path is long and the reader fast. Default 8 MiB. */
  readonly maxWindowBytes: number;
  /** What the windows of all streams may grow by together. Default 32 MiB. */
  readonly maxGrowthBytes: number;
  /** Bytes of messages that are longer than their window, over all streams, until they are whole. Default 200 MiB. */
  readonly maxAssemblyBytes: number;
  /** Calls that a client makes in one session: with the last of them it drains. Default as many as there are numbers, 2^32 - 1. */
  readonly maxCalls: number;
  /** How long the first packet may take to come, in milliseconds. Default 10 s. */
  readonly handshakeMs: number;
  /** From one ping to the next, in milliseconds. Default 10 s. */
  readonly heartbeatMs: number;
  /** After as many pings in a row without a word, the connection is given up. Default 2. */
  readonly missedHeartbeats: number;
  /** How long a session waits for its connection to come back, in milliseconds. The server's counts. Default 60 s. */
  readonly graceMs: number;
  /** How long an acknowledgement may wait for a packet that goes out anyway, in milliseconds. Default 25. */
  readonly ackDelayMs: number;
}

/** What holds where nothing else is said. */
export const defaultLimits: TunnelLimits = {
  maxStreams: 1024,
  maxFrameBytes: 66_560,
  maxMessageBytes,
  maxMetadataBytes: 32_768,
  windowBytes: 524_288,
  maxUnackedBytes: 8_388_608,
  maxWindowBytes: 8_388_608,
  maxGrowthBytes: 33_554_432,
  maxAssemblyBytes: 2 * maxMessageBytes,
  maxCalls: 0xffff_ffff,
  handshakeMs: 10_000,
  heartbeatMs: 10_000,
  missedHeartbeats: 2,
  graceMs: 60_000,
  ackDelayMs: 25,
};

/** The least that each end must take, so that a frame with the longest metadata always fits. */
const least: Limits = {
  maxStreams: 1,
  maxFrameBytes: 16_384,
  maxMessageBytes: 1024,
  maxMetadataBytes: 1024,
  windowBytes: 32_768,
  maxUnackedBytes: 65_536,
};

/** What each frame costs beside its bytes: credit bounds how many may wait, also of empty messages. */
export const frameCost = 64;

/** What a packet may have beside the bytes of its frames. */
const packetOverhead = 1024;

/** The largest packet that an end takes: whatever is larger may be refused before it is read. */
export function maxPacketBytes({ maxFrameBytes }: Pick<TunnelLimits, 'maxFrameBytes'>): number {
  return maxFrameBytes + packetOverhead;
}

/** What an end tells of its limits. */
export function toldLimits(limits: TunnelLimits): Limits {
  const { maxStreams, maxFrameBytes, maxMessageBytes, maxMetadataBytes } = limits;
  const { windowBytes, maxUnackedBytes } = limits;
  return {
    ...{ maxStreams, maxFrameBytes, maxMessageBytes, maxMetadataBytes },
    ...{ windowBytes, maxUnackedBytes },
  };
}

/** What the other end told, where one can work with it. */
export function checkedLimits(told: Limits | undefined): Limits {
  if (told === undefined) throw new TunnelViolation('malformed', 'there are no limits');
  if (tooSmall(told).length > 0)
    throw new TunnelViolation('limit', `too small: ${tooSmall(told).join(', ')}`);
  return told;
}

/** The longest time that timers take. */
export const longestMs = 2_147_483_647;

/** The limits of this end. A RangeError where one cannot work with them. */
export function limitsOf(chosen?: Partial<TunnelLimits>): TunnelLimits {
  const limits = withDefaults(defaultLimits, chosen);
  const wrong = tooSmall(limits);
  if (limits.maxMetadataBytes > limits.maxFrameBytes / 2) wrong.push('maxFrameBytes');
  const times = ['handshakeMs', 'heartbeatMs', 'graceMs', 'ackDelayMs'] as const;
  wrong.push(...times.filter((name) => !(limits[name] >= 0 && limits[name] <= longestMs)));
  if (wrong.length > 0) throw new RangeError(`limits that do not work: ${wrong.join(', ')}`);
  return limits;
}

function tooSmall(limits: Limits): string[] {
  return Object.entries(least)
    .filter(([name, value]) => !(limits[name as keyof Limits] >= value))
    .map(([name]) => name);
}

/** An amount that several share. */
export class Budget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  get left(): number {
    return this.#left;
  }

  /** `false`, and nothing is taken, where there is not as much. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
