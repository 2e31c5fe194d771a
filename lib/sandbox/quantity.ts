/** What may stand behind the number, in bytes. */
const suffixes: ReadonlyMap<string, bigint> = new Map([
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map(
    (suffix, index) => [suffix, 1024n ** BigInt(index + 1)] as const,
  ),
  ...['k', 'M', 'G', 'T', 'P', 'E'].map(
    (suffix, index) => [suffix, 1000n ** BigInt(index + 1)] as const,
  ),
  ['', 1n],
]);

/**
 * The bytes of a size as Kubernetes writes it: `10Gi`, `500M`, `1.5Ki`, `2e9`, `4096`. It is exact; what is less than a byte
 * counts as one. `undefined` for what is no such size, or more than a number holds exactly.
 *
 * @see {@link https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ | Quantity}
 */
export function bytesOfQuantity(text: string): number | undefined {
  // Bounded, so that no text makes a number that takes long.
  const parts = /^\+?(\d{0,30})(?:\.(\d{0,30}))?(?:[eE](\d{1,2})|([KMGTPE]i|[kMGTPE]|))$/.exec(
    text,
  );
  const [, whole = '', fraction = '', exponent = '0', suffix = ''] = parts ?? [];
  const unit = suffixes.get(suffix);
  if (parts === null || unit === undefined || whole + fraction === '') return undefined;
  const scaled = BigInt(whole + fraction) * unit * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(fraction.length);
  const bytes = (scaled + divisor - 1n) / divisor;
  return bytes > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(bytes);
}
