/**
 * A parallel test runner: deals test files out to shards, runs each shard in a sandbox of its own, says how far it is as it
 * goes, and stops everything with the first shard that fails.
 */
import { catchError, concat, defer, ignoreElements, mergeMap, of, type Observable } from 'rxjs';
import {
  runAll,
  SandboxExecutionError,
  type RunAllEvent,
  type Sandbox,
  type SandboxClient,
  type SandboxSource,
} from 'sandbox-rx';

export interface TestRun {
  readonly client: SandboxClient;
  /** The test files: their names, and what is in them. */
  readonly files: Readonly<Record<string, string>>;
  /** What runs those that it is given. */
  readonly command: readonly string[];
  readonly shards: number;
}

/** Says how it goes, a line at a time; completes when all have passed, and after the first failure. */
export function testRun({ client, files, command, shards }: TestRun): Observable<string> {
  const names = Object.keys(files);
  const dealt = Array.from({ length: Math.min(shards, names.length) }, (_, shard) =>
    names.filter((_name, index) => index % shards === shard),
  );
  const commands = dealt.map((shard) => [...command, ...shard]);
  const pool = withFiles(client, files);
  const options = { pool, concurrency: shards, check: true, stopOnError: true };
  return runAll(commands, options).pipe(
    mergeMap((event) => lineOf(event)),
    catchError((error: unknown) => {
      if (!(error instanceof SandboxExecutionError)) throw error;
      return of(`FAILED\n${error.result?.stderr ?? error.message}`);
    }),
  );
}

/** Sandboxes in which the files are before anything is run. */
function withFiles(client: SandboxClient, files: TestRun['files']): SandboxSource {
  const copied = (sandbox: Sandbox): Observable<unknown> =>
    concat(...Object.entries(files).map(([name, text]) => sandbox.files.write(name, text)));
  return {
    withSandbox: (project) =>
      client.withSandbox({}, (sandbox) =>
        concat(
          copied(sandbox).pipe(ignoreElements()),
          defer(() => project(sandbox)),
        ),
      ),
  };
}

function lineOf({ type, index, command, progress }: RunAllEvent): readonly string[] {
  const { finished, total = 0, remainingMs = 0 } = progress;
  const left = `${finished} of ${total} shards, ${(remainingMs / 1000).toFixed(1)} s to go`;
  if (type === 'started') return [`shard ${index + 1}: ${command.slice(1).join(' ')}`];
  return type === 'finished' ? [`shard ${index + 1} passed (${left})`] : [];
}
