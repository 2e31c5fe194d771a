import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ExecStreamOutput_Stream,
  ExecStreamResponse,
  SandboxServiceDefinition,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { filesBelow, read, root } from '../support/repository.js';

const folder = 'lib/wire/generated';

describe('the generated code', () => {
  let fresh: string;

  beforeAll(() => {
    fresh = mkdtempSync(join(tmpdir(), 'sandbox-rx-proto-'));
    execFileSync(process.execPath, [join(root, 'spec/support/proto.js'), fresh]);
  });

  afterAll(() => {
    rmSync(fresh, { recursive: true });
  });

  it('is what npm run proto makes of proto/', () => {
    const paths = filesBelow(folder);
    expect(paths).toContain(`${folder}/coreweave/sandbox/v1/sandbox.ts`);
    expect(filesBelow(folder, fresh).toSorted()).toEqual(paths.toSorted());
    for (const path of paths) expect(readFileSync(join(fresh, path), 'utf8')).toBe(read(path));
  });

  it('decodes the bytes of an output frame without a copy', () => {
    const data = Uint8Array.from({ length: 70_000 }, (_, index) => index);
    const stream = ExecStreamOutput_Stream.STREAM_STDERR;
    const frame = ExecStreamResponse.encode({
      message: { $case: 'output', value: { stream, data } },
    }).finish();
    const { message } = ExecStreamResponse.decode(frame);
    expect(message).toEqual({ $case: 'output', value: { stream, data } });
    if (message?.$case !== 'output') throw new Error('it is no output');
    expect(message.value.data.buffer).toBe(frame.buffer);
  });

  it('names the services and their methods as they are called', () => {
    expect(SandboxServiceDefinition.fullName).toBe('coreweave.sandbox.v1.SandboxService');
    expect(SandboxServiceDefinition.methods.streamExec).toMatchObject({
      name: 'StreamExec',
      requestStream: true,
      responseStream: true,
    });
  });
});
