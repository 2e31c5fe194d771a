const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A number of bytes for people. */
export function byteCount(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ''}`;
}
