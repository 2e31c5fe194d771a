/** What was given, and the defaults of the rest: what is `undefined` was not given. */
export function withDefaults<T extends object>(defaults: T, given: Partial<T> = {}): T {
  const chosen = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(chosen) };
}
