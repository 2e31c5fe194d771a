import type { SandboxBackend } from 'sandbox-rx';

/** A backend of which something is otherwise. */
export function alteredBackend(
  backend: SandboxBackend,
  changes: Partial<SandboxBackend>,
): SandboxBackend {
  return new Proxy(backend, {
    get: (target, key): unknown =>
      key in changes ? Reflect.get(changes, key) : bound(target, key),
  });
}

/** A property as the object itself would be asked for it: private fields are not reached through a Proxy. */
function bound(target: object, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' ? value.bind(target) : value;
}
