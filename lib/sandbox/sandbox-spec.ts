import {
  checkCommand,
  checkEnv,
  checkInteger,
  checkOneOf,
  checkRecord,
  checkText,
  maxTimerMs,
  refuse,
  requireText,
} from '../process/validate.js';

/** Bounds on what a sandbox may use. A backend that cannot hold one refuses it. */
export interface SandboxLimits {
  /**
   * Memory, in bytes: of the whole sandbox where the backend can bound that. The local backend bounds the address space
   * of each process by itself (`RLIMIT_AS`), so a sandbox may use as much for each of its `processes`, and what it keeps
   * in its home and in `/tmp`, which are in memory too, comes on top.
   */
  readonly memoryBytes?: number;
  /** Processes and threads at one time. */
  readonly processes?: number;
  /** Open files of each process; at least 16, which is what starting a command takes. */
  readonly openFiles?: number;
  /** Processor time of each process, in seconds; past it, the process is killed. */
  readonly cpuSeconds?: number;
  /** Size of the home directory, and of `/tmp`, in bytes each. */
  readonly homeBytes?: number;
}

/** A directory of a sandbox that can be kept as a snapshot, and be made from one. It goes with its sandbox. */
export interface ScratchVolume {
  /** 1 to 63 letters, digits, `_` and `-`; one of a sandbox's volumes each. */
  readonly name: string;
  /** Where commands see it: an absolute path, or one that starts at the sandbox's home. */
  readonly mountPath: string;
  /** How much it may hold, in bytes. Default: as much as the sandbox's home, or what the backend gives. */
  readonly sizeBytes?: number;
  /** The snapshot that it begins with. Default: it begins empty. */
  readonly snapshotId?: string;
}

/** A TCP port of a sandbox on which something in it listens, to be reached from outside. */
export interface ServicePort {
  /** 1 to 65535; one of a sandbox's services each. */
  readonly port: number;
  /** What it is called. Default: nothing. */
  readonly name?: string;
}

/** Where a port of a sandbox is reached. */
export interface ServiceAddress extends ServicePort {
  /**
   * `http://host:port`, whatever is spoken there. As long as nothing in the sandbox listens, connections are refused or,
   * where they are carried into a network of the sandbox's own, taken and cut.
   */
  readonly url: string;
}

/** What a sandbox shall be. Every field has a default. */
export interface SandboxSpec {
  /** The sandbox's id: letters, digits, `.`, `_` and `-`, at most 128. Default: made by the backend. */
  readonly id?: string;
  /** The main command: the sandbox ends with it, and `logs$` shows its output. Default: none; it runs until stopped. */
  readonly command?: readonly string[];
  /** Environment of every command in the sandbox. */
  readonly env?: Readonly<Record<string, string>>;
  /** Directory in which commands start; a relative one starts at the sandbox's home. Default: that. */
  readonly cwd?: string;
  /** Words to find it by. */
  readonly tags?: readonly string[];
  /** End the sandbox after this time, in milliseconds. Default: it has no end of its own. */
  readonly lifetimeMs?: number;
  /** Bounds on what it may use. */
  readonly limits?: SandboxLimits;
  /** Directories of which snapshots can be taken. Default: none. */
  readonly volumes?: readonly ScratchVolume[];
  /** Ports to be reached from outside; `status()` says where. Default: none. */
  readonly services?: readonly ServicePort[];
  /** `'none'`: loopback only; `'host'`: the network of the machine. Default `'none'` where there is isolation. */
  readonly network?: 'none' | 'host';
}

/** Where a sandbox stands. All but `running` are final. */
export type SandboxStatus = 'running' | 'completed' | 'failed' | 'stopped' | 'deleted';

/** What is known of a sandbox. */
export interface SandboxInfo {
  readonly id: string;
  /**
   * `completed` and `failed`: its main command ended with status 0, or otherwise; `stopped`: somebody stopped it, its
   * lifetime was over, or it died.
   */
  readonly status: SandboxStatus;
  readonly tags: readonly string[];
  readonly createdAtMs: number;
  /** Exit status of the main command, when it has ended. */
  readonly returncode?: number;
  /** Why it is not running, in words. */
  readonly reason?: string;
  /** Where its services are reached, while it runs. */
  readonly services?: readonly ServiceAddress[];
}

/** Which sandboxes to list. */
export interface SandboxFilter {
  /** Only those that have all of these tags. */
  readonly tags?: readonly string[];
  /** Only those that stand so. */
  readonly status?: SandboxStatus;
}

/** Whether a sandbox is one of those that were asked for. */
export function matches(info: SandboxInfo, filter: SandboxFilter): boolean {
  if (filter.status !== undefined && info.status !== filter.status) return false;
  return (filter.tags ?? []).every((tag) => info.tags.includes(tag));
}

/** Whether this is the last that is told of a sandbox. */
export function isDeleted({ status }: SandboxInfo): boolean {
  return status === 'deleted';
}

/** What the id of a sandbox looks like. */
export const sandboxIdPattern: RegExp = /^[\w.-]{1,128}$/;

/** Refuses a spec of the wrong type or range. */
export function checkSpec(spec: SandboxSpec): void {
  checkRecord('spec', spec);
  checkText('id', spec.id);
  if (spec.id !== undefined && !sandboxIdPattern.test(spec.id)) {
    refuse('id', "1 to 128 letters, digits, '.', '_' or '-'", spec.id);
  }
  if (spec.command !== undefined) checkCommand(spec.command);
  checkEnv('env', spec.env);
  checkText('cwd', spec.cwd);
  checkTags(spec.tags);
  checkInteger('lifetimeMs', spec.lifetimeMs, { min: 1, max: maxTimerMs });
  checkOneOf('network', spec.network, ['none', 'host']);
  if (spec.limits !== undefined) checkLimits(spec.limits);
  checkVolumes(spec.volumes);
  checkServices(spec.services);
}

/** Refuses a filter of the wrong type. */
export function checkFilter(filter: SandboxFilter): void {
  checkRecord('filter', filter);
  checkTags(filter.tags);
  checkOneOf('status', filter.status, ['running', 'completed', 'failed', 'stopped', 'deleted']);
}

function checkTags(tags: unknown): void {
  if (tags === undefined) return;
  if (!Array.isArray(tags)) refuse('tags', 'an array of strings', tags);
  for (const [index, tag] of tags.entries()) requireText(`tags[${index}]`, tag);
}

function checkLimits(limits: SandboxLimits): void {
  checkRecord('limits', limits);
  checkInteger('limits.memoryBytes', limits.memoryBytes, { min: 1_048_576 });
  checkInteger('limits.processes', limits.processes, { min: 1, max: 4_194_304 });
  checkInteger('limits.openFiles', limits.openFiles, { min: 16, max: 1_048_576 });
  checkInteger('limits.cpuSeconds', limits.cpuSeconds, { min: 1 });
  checkInteger('limits.homeBytes', limits.homeBytes, { min: 4096 });
}

function checkVolumes(volumes: readonly ScratchVolume[] | undefined): void {
  if (volumes === undefined) return;
  if (!Array.isArray(volumes)) refuse('volumes', 'an array', volumes);
  const names: Set<string> = new Set();
  const paths: Set<string> = new Set();
  for (const [index, volume] of (volumes as readonly ScratchVolume[]).entries()) {
    checkVolume(`volumes[${index}]`, volume);
    const { name, mountPath } = volume;
    if (names.has(name)) refuse(`volumes[${index}].name`, 'a name of its own', name);
    if (paths.has(mountPath)) refuse(`volumes[${index}].mountPath`, 'a path of its own', mountPath);
    names.add(name);
    paths.add(mountPath);
  }
}

function checkVolume(at: string, volume: ScratchVolume): void {
  checkRecord(at, volume);
  const { name, mountPath, sizeBytes, snapshotId } = volume;
  requireText(`${at}.name`, name);
  if (!/^[\w-]{1,63}$/.test(name))
    refuse(`${at}.name`, "1 to 63 letters, digits, '_' or '-'", name);
  requireText(`${at}.mountPath`, mountPath);
  if (mountPath === '' || mountPath.split('/').includes('..'))
    refuse(`${at}.mountPath`, "a path without '..'", mountPath);
  checkInteger(`${at}.sizeBytes`, sizeBytes, { min: 4096 });
  checkText(`${at}.snapshotId`, snapshotId);
}

function checkServices(services: readonly ServicePort[] | undefined): void {
  if (services === undefined) return;
  if (!Array.isArray(services)) refuse('services', 'an array', services);
  const ports: Set<number> = new Set();
  for (const [index, service] of (services as readonly ServicePort[]).entries()) {
    const at = `services[${index}]`;
    checkRecord(at, service);
    const { port, name } = service;
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      refuse(`${at}.port`, 'an integer from 1 to 65535', port);
    checkText(`${at}.name`, name);
    if (ports.has(port)) refuse(`${at}.port`, 'a port of its own', port);
    ports.add(port);
  }
}
