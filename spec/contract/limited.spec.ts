import { afterEach, describe, expect, it } from '@jest/globals';
import { defer, filter, merge, mergeMap, takeWhile, throwError, type Observable } from 'rxjs';
import {
  UnsupportedError,
  type ExecRequest,
  type ProcessEvent,
  type SandboxBackend,
  type SandboxSpec,
} from 'sandbox-rx';
import { backendContract, memoryBackend } from 'sandbox-rx/testing';
import { memoryCommands, memoryPrograms } from '../backends/memory/memory-programs.js';

function refused(capability: string): Observable<never> {
  return throwError(() => new UnsupportedError(capability, 'this backend cannot do that'));
}

/** A backend that can do nothing but what it must, and says so: the contract's other half. */
function limitedBackend(): SandboxBackend {
  const memory = memoryBackend({ programs: memoryPrograms });
  const none = (): Observable<never> => refused('files');
  const noSnapshots = (): Observable<never> => refused('snapshots');
  return {
    name: 'memory',
    capabilities: {
      tty: false,
      signals: false,
      attach: false,
      processes: false,
      files: false,
      snapshots: false,
      services: false,
      logOptions: false,
      backpressure: false,
      isolation: false,
    },
    create: (spec: SandboxSpec) => {
      if (spec.volumes !== undefined) return refused('snapshots');
      if (spec.services !== undefined) return refused('services');
      return spec.network === 'none' ? refused('isolation') : memory.create(spec);
    },
    get: (id) => memory.get(id),
    list: (wanted) => memory.list(wanted),
    watch: (wanted, listed) => memory.watch(wanted, listed),
    stop: (id) => memory.stop(id),
    delete: (id) => memory.delete(id),
    exec: (request: ExecRequest) =>
      defer(() => {
        if (request.tty !== undefined) return refused('tty');
        if (request.keep) return refused('attach');
        const pauses$ = request.paused$.pipe(
          filter(Boolean),
          mergeMap(() => refused('backpressure')),
        );
        const isLast = ({ type }: ProcessEvent): boolean => type === 'exit';
        return merge(pauses$, memory.exec(request)).pipe(
          takeWhile((event) => !isLast(event), true),
        );
      }),
    attach: () => refused('attach'),
    signal: () => refused('signals'),
    logs: (request) => memory.logs(request),
    processes: { list: () => refused('processes'), watch: () => refused('processes') },
    files: { read: none, write: none, list: none, remove: none },
    snapshots: { take: noSnapshots, get: noSnapshots, list: noSnapshots, delete: noSnapshots },
  };
}

backendContract(
  { describe, it, expect, afterEach },
  {
    name: 'a backend of no capabilities',
    commands: memoryCommands,
    killsAtOnce: true,
    create: limitedBackend,
  },
);
