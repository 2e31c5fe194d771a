import type { SandboxLimits } from '../../sandbox/sandbox-spec.js';

/**
 * The limits as words for the launch script, `OPTION=VALUE` of `ulimit`. They hold for each process by itself; the
 * number of processes counts for the whole sandbox, because that is a user namespace of its own (Linux 5.14 and later).
 *
 * @see {@link https://man7.org/linux/man-pages/man2/getrlimit.2.html | getrlimit(2)}
 */
export function limitWords({
  memoryBytes,
  processes,
  openFiles,
  cpuSeconds,
}: SandboxLimits): string {
  const words = [
    memoryBytes !== undefined && `v=${Math.floor(memoryBytes / 1024)}`,
    openFiles !== undefined && `n=${openFiles}`,
    cpuSeconds !== undefined && `t=${cpuSeconds}`,
    processes !== undefined && `u=${processes}`,
  ];
  return words.filter((word) => word !== false).join(' ');
}

const limitOfOption: Readonly<Record<string, keyof SandboxLimits>> = {
  v: 'memoryBytes',
  n: 'openFiles',
  t: 'cpuSeconds',
  u: 'processes',
};

/** The limit that the launch script could not set, by the `limit OPTION=VALUE` that it told. */
export function refusedLimit(told: string): keyof SandboxLimits | undefined {
  return limitOfOption[/^limit (\w)=/.exec(told)?.[1] ?? ''];
}
