import { concat, defer, map, throwError, type Observable } from 'rxjs';
import { SandboxError } from '../../../process/errors/sandbox-error.js';
import type { SandboxInfo } from '../../../sandbox/sandbox-spec.js';
import { infoOf } from '../../../wire/sandbox-state.js';
import { watchSandboxes } from '../methods.js';
import type { RpcTransport } from '../rpc-transport.js';
import { followed } from './followed.js';

/** How sandboxes have changed. */
export interface SandboxChanges {
  /** What was told before holds no more: these are all there are. */
  readonly isReset: boolean;
  readonly infos: readonly SandboxInfo[];
  /** Those that can no longer be asked for. */
  readonly deletedIds: readonly string[];
}

/** How sandboxes change, of a server that tells it. `opening` is called whenever it is asked, the first time too. */
export function sandboxChanges(
  transport: RpcTransport,
  retryBudgetMs: number,
  opening: () => void,
): Observable<SandboxChanges> {
  const told$ = followed(transport, {
    method: watchSandboxes,
    options: {},
    requestOf: (after) => {
      opening();
      return { after };
    },
    retryBudgetMs,
  });
  return concat(told$, ended$).pipe(
    map(({ isReset, messages }) => ({
      isReset,
      infos: messages.flatMap(({ sandboxes }) => sandboxes.map(infoOf)),
      deletedIds: messages.flatMap(({ deletedIds }) => deletedIds),
    })),
  );
}

const ended$: Observable<never> = defer(() =>
  throwError(() => new SandboxError('ERR_REMOTE', 'the server ended a list that has no end')),
);
