import { defer, map, reduce, type Observable } from 'rxjs';
import { concatBytes } from '../process/bytes.js';
import { newId } from '../process/new-id.js';
import { checkCommand, checkEnv } from '../process/validate.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { plainRun } from '../sandbox/plain-run.js';
import type { ExecRequest, ExecResponse } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { badField, checkField } from './bad-field.js';
import type { Sandboxes } from './sandboxes.js';

/** Output that is given back of each stream when nothing else is asked for, and at most. */
const outputBytes = { usual: 4_194_304, most: 33_554_432 };

/** Exec: a command that is run to its end, and then told of. */
export class ExecService {
  readonly #backend: SandboxBackend;
  readonly #sandboxes: Sandboxes;

  constructor(backend: SandboxBackend, sandboxes: Sandboxes) {
    this.#backend = backend;
    this.#sandboxes = sandboxes;
  }

  exec(request: ExecRequest): Observable<ExecResponse> {
    return defer(() => {
      const { command, env, maxOutputBytes, container } = request;
      const sandboxId = this.#sandboxes.running(request.sandboxId, container);
      checkField('command', () => {
        checkCommand(command);
      });
      checkField('env', () => {
        checkEnv('env', env);
      });
      if (maxOutputBytes < 0) throw badField('max_output_bytes', 'it must not be negative');
      const limit = Math.min(maxOutputBytes || outputBytes.usual, outputBytes.most);
      const collected = { stdout: new Collected(limit), stderr: new Collected(limit) };
      return this.#backend.exec({ ...plainRun, sandboxId, id: newId(), command, env }).pipe(
        reduce((exitCode, event) => {
          if (event.type === 'exit') return event.returncode;
          collected[event.type].add(event.data);
          return exitCode;
        }, 0),
        map((exitCode) => execResponse(exitCode, collected)),
      );
    });
  }
}

/** What an Exec gives back of one stream. */
class Collected {
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #kept = 0;
  /** All that was written. */
  bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Uint8Array): void {
    this.bytes += data.length;
    const part = data.subarray(0, this.#limit - this.#kept);
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#kept += part.length;
  }

  get data(): Uint8Array {
    return concatBytes(this.#parts);
  }

  get isTruncated(): boolean {
    return this.bytes > this.#kept;
  }
}

function execResponse(
  exitCode: number,
  { stdout, stderr }: Readonly<Record<'stdout' | 'stderr', Collected>>,
): ExecResponse {
  return {
    ...{ exitCode, stdout: stdout.data, stderr: stderr.data },
    ...{ stdoutTruncated: stdout.isTruncated, stderrTruncated: stderr.isTruncated },
    ...{ stdoutBytesProduced: BigInt(stdout.bytes), stderrBytesProduced: BigInt(stderr.bytes) },
  };
}
