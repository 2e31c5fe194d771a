import { afterEach, describe, expect, it } from '@jest/globals';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { lastValueFrom, takeWhile, toArray } from 'rxjs';
import { Sandbox, UnsupportedError, type SandboxBackend } from 'sandbox-rx';
import { eventually, failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';
import {
  Sandbox as SandboxMessage,
  State,
} from '../../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  WatchProcessesResponse,
  WatchSandboxesResponse,
  type WatchProcessesRequest,
  type WatchSandboxesRequest,
} from '../../../lib/wire/generated/sandboxrx/v1/watches.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const unavailable = { code: 14, details: 'it went away' };
const unimplemented = { code: 12, details: 'it has no such call' };

type Call<Request, Response> = ServerWritableStream<Request, Response>;
type Failure = typeof unavailable;

/** Each call gets the next of these: messages, and a failure at which it ends. After the last, nothing more comes. */
function scripted<Request, Response>(
  ...answers: readonly (readonly (Response | Failure)[])[]
): { asked: Request[]; handle: (call: Call<Request, Response>) => void } {
  const asked: Request[] = [];
  const handle = (call: Call<Request, Response>): void => {
    asked.push(call.request);
    for (const one of answers[asked.length - 1] ?? [])
      if (one instanceof Object && 'code' in one) call.emit('error', one);
      else call.write(one);
  };
  return { asked, handle };
}

const revision = (at: number, epoch = 'one') => ({ epoch, revision: BigInt(at) });

function told(...ids: readonly string[]): SandboxMessage[] {
  const status = { state: State.STATE_RUNNING };
  return ids.map((sandboxId) => SandboxMessage.fromPartial({ sandboxId, status }));
}

describe('the list of sandboxes of a server that tells what changes', () => {
  const message = WatchSandboxesResponse.fromPartial.bind(WatchSandboxesResponse);

  async function watched(
    answers: readonly (readonly (WatchSandboxesResponse | Failure)[])[],
    retryBudgetMs = 10_000,
  ) {
    const { asked, handle } = scripted<WatchSandboxesRequest, WatchSandboxesResponse>(...answers);
    const url = await remote.service({ watchSandboxes: handle });
    const seen: string[] = [];
    const watching = { seen, asked, listed: 0, error: undefined as unknown };
    const watch$ = remote.backend(url, { retryBudgetMs }).watch({}, () => watching.listed++);
    const subscription = watch$.subscribe({
      next: ({ id, status }) => seen.push(`${id} ${status}`),
      error: (error: unknown) => (watching.error = error),
    });
    remote.add(subscription, (one) => {
      one.unsubscribe();
    });
    return watching;
  }

  it('is taken up where it broke, and what was told in part is told once', async () => {
    const watching = await watched([
      [
        message({ reset: true, sandboxes: told('a') }),
        message({ sandboxes: told('b'), cursor: revision(2) }),
        message({ sandboxes: told('c') }),
        unavailable,
      ],
      [message({ sandboxes: told('c', 'd'), deletedIds: ['a'], cursor: revision(5) })],
    ]);
    await eventually('all is told', () => watching.seen.length === 5);
    const after = ['a deleted', 'c running', 'd running'];
    expect(watching.seen).toEqual(['a running', 'b running', ...after]);
    expect(watching.asked.map(({ after }) => after)).toEqual([undefined, revision(2)]);
    expect(watching.listed).toBe(1);
  });

  it('is after a reset what is told then, and what is missing is gone', async () => {
    const watching = await watched([
      [message({ reset: true, sandboxes: told('a', 'b'), cursor: revision(2) }), unavailable],
      [
        message({ reset: true, sandboxes: told('b') }),
        message({ sandboxes: told('c'), deletedIds: ['x'], cursor: revision(2, 'two') }),
        unavailable,
      ],
      [],
    ]);
    await eventually('it is asked a third time', () => watching.asked.length === 3);
    expect(watching.seen).toEqual(['a running', 'b running', 'a deleted', 'c running']);
    expect(watching.asked[2]?.after).toEqual(revision(2, 'two'));
  });

  it('fails when the server does not come back in time', async () => {
    const first = message({ reset: true, sandboxes: told('a'), cursor: revision(1) });
    const broken = Array.from({ length: 100 }, () => [unavailable]);
    const watching = await watched([[first, unavailable], ...broken], 500);
    await eventually('it fails', () => watching.error !== undefined);
    expect(watching.error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(watching.asked.length).toBeGreaterThan(2);
    expect(watching.seen).toEqual(['a running']);
  });

  it('fails at once where there never was one', async () => {
    const watching = await watched([[unavailable]]);
    await eventually('it fails', () => watching.error !== undefined);
    expect(watching.asked.length).toBe(1);
  });

  it('is no list when the server ends it', async () => {
    const watchSandboxes = (call: Call<WatchSandboxesRequest, WatchSandboxesResponse>): void => {
      call.write(message({ reset: true, cursor: revision(0) }));
      call.end();
    };
    const client = remote.client(await remote.service({ watchSandboxes }));
    expect(await failureOf(lastValueFrom(client.sandboxes$))).toMatchObject({ code: 'ERR_REMOTE' });
  });

  it('is asked for again and again where it has no such call, which is tried once', async () => {
    const { asked, handle } = scripted([unimplemented], [unimplemented]);
    let lists = 0;
    const url = await remote.service({
      watchSandboxes: handle,
      listSandboxes: (_: unknown, answer: (error: null, page: object) => void) => {
        answer(null, { sandboxes: told(...['a', 'b'].slice(0, ++lists)), nextPageToken: '' });
      },
    });
    const client = remote.client(url, { watchIntervalMs: 20 });
    const growing$ = client.sandboxes$.pipe(
      takeWhile((list) => list.length < 2, true),
      toArray(),
    );
    const ids = (await lastValueFrom(growing$)).map((list) => list.map(({ id }) => id));
    expect(ids).toEqual([['a'], ['a', 'b']]);
    expect((await lastValueFrom(growing$)).length).toBe(1);
    expect(asked.length).toBe(1);
  });
});

describe('the list of sandboxes of a server that does not tell what changes', () => {
  /** Each time that its sandboxes are asked for it gives the next of these; after the last, that one again. */
  async function polled(retryBudgetMs: number, ...lists: readonly (readonly string[] | Failure)[]) {
    let count = 0;
    const url = await remote.service({
      listSandboxes: (_: unknown, answer: (error: Failure | null, page?: object) => void) => {
        const list = lists[Math.min(count++, lists.length - 1)] ?? [];
        if ('code' in list) answer(list);
        else answer(null, { sandboxes: told(...list), nextPageToken: '' });
      },
    });
    const { sandboxes$ } = remote.client(url, { watchIntervalMs: 20, retryBudgetMs });
    return { sandboxes$, count: () => count };
  }

  it('goes on when it can be asked again', async () => {
    const lost = { code: 13, details: 'the stream was reset' };
    const lists = [['a'], unavailable, lost, ['a'], unavailable, ['a', 'b']];
    const { sandboxes$, count } = await polled(10_000, ...lists);
    const growing$ = sandboxes$.pipe(takeWhile((list) => list.length < 2, true));
    expect((await lastValueFrom(growing$)).map(({ id }) => id)).toEqual(['a', 'b']);
    expect(count()).toBe(lists.length);
  });

  const gone = [unavailable, 'ERR_BACKEND_UNAVAILABLE'] as const;
  const denied = [{ code: 16, details: 'no' }, 'ERR_PERMISSION'] as const;

  it.each<readonly [string, number, readonly string[][], readonly [Failure, string]]>([
    ['it cannot be asked at first', 10_000, [], gone],
    ['it refuses', 10_000, [['a']], denied],
    ['there is no time left', 0, [['a']], gone],
  ])('fails when %s', async (_, retryBudgetMs, lists, [failure, code]) => {
    const { sandboxes$, count } = await polled(retryBudgetMs, ...lists, failure);
    expect(await failureOf(lastValueFrom(sandboxes$))).toMatchObject({ code });
    expect(count()).toBe(lists.length + 1);
  });
});

describe('the processes of a sandbox', () => {
  const message = WatchProcessesResponse.fromPartial.bind(WatchProcessesResponse);

  function running(...ids: readonly string[]) {
    return ids.map((runId) => ({
      ...{ runId, sandboxId: 'there', command: ['x'], state: 'running', startedAtMs: 1n },
    }));
  }

  async function watched(...answers: readonly (readonly (WatchProcessesResponse | Failure)[])[]) {
    const { asked, handle } = scripted<WatchProcessesRequest, WatchProcessesResponse>(...answers);
    const backend = remote.backend(await remote.service({ watchProcesses: handle }));
    const seen: string[] = [];
    const watching = { seen, asked, end: undefined as unknown };
    const subscription = backend.processes.watch('there').subscribe({
      next: ({ id, state, forgotten }) => seen.push(`${id} ${state}${forgotten ? ', gone' : ''}`),
      error: (error: unknown) => (watching.end = error),
      complete: () => (watching.end = 'complete'),
    });
    remote.add(subscription, (one) => {
      one.unsubscribe();
    });
    return watching;
  }

  it.each<readonly [string, (backend: SandboxBackend) => PromiseLike<unknown>]>([
    ['listed', (backend) => new Sandbox(backend, 'there').processes()],
    ['watched', (backend) => lastValueFrom(new Sandbox(backend, 'there').processes$)],
  ])('cannot be %s where the server has no such call', async (_, ask) => {
    const error = await failureOf(ask(remote.backend(await remote.service({}))));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ capability: 'processes', sandboxId: 'there' });
  });

  it('are told once over breaks, and as lost where nothing is known of them any more', async () => {
    const watching = await watched(
      [
        message({ reset: true, processes: running('a', 'b'), cursor: revision(2) }),
        message({ processes: running('c') }),
        unavailable,
      ],
      [message({ processes: running('b', 'c'), cursor: revision(3) }), unavailable],
      [
        message({ reset: true, processes: running('c') }),
        message({
          processes: [{ ...running('never told')[0], state: 'exited', forgotten: true }],
          cursor: revision(1, 'two'),
        }),
      ],
    );
    await eventually('all is told', () => watching.seen.length === 5);
    const lost = ['a failed, gone', 'b failed, gone'];
    expect(watching.seen).toEqual(['a running', 'b running', 'c running', ...lost]);
    expect(watching.asked.map(({ sandboxId }) => sandboxId)).toEqual(['there', 'there', 'there']);
    expect(watching.asked[2]?.after).toEqual(revision(3));
  });

  it('are over where their sandbox has gone while the connection was broken', async () => {
    const first = message({ reset: true, processes: running('a'), cursor: revision(1) });
    const notFound = { code: 5, details: 'there is no such sandbox' };
    const watching = await watched([first, unavailable], [notFound]);
    await eventually('it ends', () => watching.end !== undefined);
    expect(watching.end).toBe('complete');
    expect(watching.seen).toEqual(['a running', 'a failed, gone']);
    const another = await watched([notFound]);
    await eventually('it ends', () => another.end !== undefined);
    expect(another.end).toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('are in a state of their own also where a later version says it in another word', async () => {
    const [a] = running('a');
    const other = { ...a, state: 'frozen' };
    const over = { ...a, runId: 'b', state: 'evicted', endedAtMs: 2n };
    const watching = await watched([
      message({ reset: true, processes: [other, over], cursor: revision(1) }),
    ]);
    await eventually('they are told', () => watching.seen.length === 2);
    expect(watching.seen).toEqual(['a running', 'b failed']);
  });
});
