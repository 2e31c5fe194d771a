import { describe, expect, it } from '@jest/globals';
import { Room } from '../../lib/ws/room.js';

/** How many frames of 64 KiB go before it is full, where each takes its time. */
function framesTaken(room: Room): number {
  for (let count = 1; ; count += 1) {
    room.take(65_536);
    if (room.isFull) return count;
  }
}

describe('the room of a wire', () => {
  it('is one frame where frames take their time, and up to eight where they are gone in a moment', () => {
    let now = 0;
    const room = new Room(() => now);
    const seen: number[] = [];
    for (const tookMs of [0.1, 0.2, 0.1, 0.1, 0.1, 1, 0.1, 20, 0.1]) {
      const count = framesTaken(room);
      seen.push(count);
      now += tookMs;
      for (let left = count; left > 1; left -= 1) room.give(65_536);
      room.give(65_536);
      expect(room.isFull).toBe(false);
    }
    expect(seen).toEqual([1, 2, 4, 8, 8, 8, 1, 2, 1]);
  });

  it('tells once that there is some again', () => {
    const room = new Room(() => 0);
    for (let index = 0; index < 3; index += 1) room.take(30_000);
    expect([room.isFull, room.give(30_000), room.give(30_000)]).toEqual([true, true, false]);
    expect(room.isFull).toBe(false);
  });
});
