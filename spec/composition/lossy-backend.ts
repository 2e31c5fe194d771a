import { Observable } from 'rxjs';
import { ConnectionLostError, type ExecRequest, type SandboxBackend } from 'sandbox-rx';

/**
 * A backend whose connections break: the first `losses` observations of runs end so soon after their start, while the runs
 * go on where they are, as those of a host do.
 */
export function lossyBackend(backend: SandboxBackend, losses: number): SandboxBackend {
  let left = losses;
  const exec = (request: ExecRequest): Observable<unknown> => {
    if (left-- <= 0) return backend.exec(request);
    return new Observable((subscriber) => {
      backend.exec(request).subscribe();
      subscriber.error(new ConnectionLostError('cut', { runId: request.id }));
      request.lifecycle.closed();
    });
  };
  return new Proxy(backend, {
    get: (target, name): unknown => {
      if (name === 'exec') return exec;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
