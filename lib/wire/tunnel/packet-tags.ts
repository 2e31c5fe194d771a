import type { Frame } from '../generated/sandboxrx/tunnel/v1/tunnel.js';

/** What a frame can be. */
export type FrameKind = NonNullable<Frame['body']>['$case'];

/** A field's number with its wire type. */
const number = (field: number): number => field << 3;
const bytes = (field: number): number => (field << 3) | 2;

/** The fields of tunnel.proto that are written and read by hand: the generated code would copy a payload three times. */
export const packetTag: Readonly<Record<'seq' | 'ack' | 'frames', number>> = {
  seq: number(1),
  ack: number(2),
  frames: bytes(3),
};
export const streamTag: number = number(1);
export const frameTag: Readonly<Record<FrameKind, number>> = {
  open: bytes(2),
  headers: bytes(3),
  chunk: bytes(4),
  message: bytes(5),
  halfClose: bytes(6),
  end: bytes(7),
  cancel: bytes(8),
};
