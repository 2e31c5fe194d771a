import { concat, ignoreElements, mergeMap, Observable, timer } from 'rxjs';
import { ConnectionLostError, type ExecRequest, type SandboxBackend } from 'sandbox-rx';

/** A backend of which some methods are others. */
function altered(backend: SandboxBackend, methods: Partial<SandboxBackend>): SandboxBackend {
  return new Proxy(backend, {
    get: (target, name): unknown => {
      const member: unknown = Reflect.get(name in methods ? methods : target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

/**
 * A backend whose connections break: the first `losses` observations of runs end so soon after their start, while the runs
 * go on where they are, as those of a host do.
 */
export function lossyBackend(backend: SandboxBackend, losses: number): SandboxBackend {
  let left = losses;
  const exec = (request: ExecRequest): ReturnType<SandboxBackend['exec']> => {
    if (left-- <= 0) return backend.exec(request);
    return new Observable((subscriber) => {
      backend.exec(request).subscribe();
      subscriber.error(new ConnectionLostError('cut', { runId: request.id }));
      request.lifecycle.closed();
    });
  };
  return altered(backend, { exec });
}

/** A backend that takes so long to make a sandbox, and twice as long to delete one. */
export function slowBackend(backend: SandboxBackend, ms: number): SandboxBackend {
  return altered(backend, {
    create: (spec) => timer(ms).pipe(mergeMap(() => backend.create(spec))),
    delete: (id) => concat(timer(2 * ms).pipe(ignoreElements()), backend.delete(id)),
  });
}
