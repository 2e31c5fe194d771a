import type { CallStatus } from '../../../wire/grpc-code.js';
import type { TunnelConnection, Wire } from '../../../wire/tunnel/connection.js';

/** A wire that may keep the program going. */
export interface DialedWire extends Wire {
  /** Whether the program is to go on for its sake. Left out where the runtime cannot choose. */
  hold?(isNeeded: boolean): void;
}

/** Who is told what becomes of an attempt: one of the two, once. */
export interface DialObserver {
  /** It is open. What comes is told to whom this gives. */
  opened(wire: DialedWire): TunnelConnection;
  /** It did not come about, and why. */
  failed(why: CallStatus): void;
}

/** Tries to connect. Gives what abandons the attempt, of which nothing is told then. */
export type Dial = (observer: DialObserver) => () => void;
