/** So many have to have gone before a map is copied. */
const fewest = 32;

/**
 * A `Map` for what comes and goes all the time, such as the runs that go on: what has gone can be collected soon.
 *
 * That of V8 (as of 14) cannot promise this. A table that it has outgrown, or emptied, points to the one that took its place,
 * and keeps what it held then. Once one of them is in the old generation, where nobody looks for garbage until a full
 * collection, it keeps alive all tables that come after it, and so everything that is ever in the map: each young collection
 * copies it, and moves it to the old generation. Here the map is copied when more have gone than are left, which begins anew.
 */
export class LiveMap<K, V> {
  #map: Map<K, V> = new Map();
  #gone = 0;

  get size(): number {
    return this.#map.size;
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  set(key: K, value: V): void {
    this.#map.set(key, value);
  }

  /** `true`: it was there. */
  delete(key: K): boolean {
    if (!this.#map.delete(key)) return false;
    this.#gone++;
    if (this.#gone > fewest && this.#gone > this.#map.size) {
      this.#gone = 0;
      this.#map = new Map(this.#map);
    }
    return true;
  }

  /** Those that are there now, in the order in which they came. */
  values(): V[] {
    return [...this.#map.values()];
  }

  clear(): void {
    this.#gone = 0;
    this.#map = new Map();
  }
}
