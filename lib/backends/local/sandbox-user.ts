import { readFileSync } from 'node:fs';

/** A user and group that a child process is started as. */
export interface ChildUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** Ids that are assigned to nobody: the second are those that systemd too gives to users who come and go. */
const spareIds = [
  { first: 0x7ffe_0000, count: 0xffff },
  { first: 61_184, count: 4336 },
] as const;

let next = Math.floor(Math.random() * 0xffff);

/**
 * The user that a new sandbox's processes are, as the host sees them. Where this program is root, that is one who is
 * nobody else's, so that root inside is never root of the host. An ordinary user stays itself, and so does a root that
 * is the only user of its own user namespace: to the host it is an ordinary user.
 *
 * @see {@link https://man7.org/linux/man-pages/man7/user_namespaces.7.html | user_namespaces(7)}
 */
export function sandboxUser(): ChildUser {
  if (process.getuid?.() !== 0) return {};
  const spare = spareIds.find((ids) => isMapped('uid_map', ids) && isMapped('gid_map', ids));
  if (spare === undefined) return {};
  const id = spare.first + (next++ % spare.count);
  return { uid: id, gid: id };
}

/** Whether this program's user namespace has these ids: that of a container may lack them. */
function isMapped(map: 'uid_map' | 'gid_map', ids: (typeof spareIds)[number]): boolean {
  return readFileSync(`/proc/self/${map}`, 'latin1')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(
      ([first = 0, , count = 0]) => first <= ids.first && ids.first + ids.count <= first + count,
    );
}
