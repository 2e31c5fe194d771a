import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { credentials, makeGenericClientConstructor, Metadata, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Harness } from './harness.js';

const harness = new Harness();
afterEach(() => harness.close());

/** Fields of a ServerReflectionRequest. */
const asks = { fileContainingSymbol: 4, listServices: 7 };

/** Asks a server for its schema, as grpcurl does; gives the bytes of the answer as text. */
async function reflected(url: string, token: string, [field, text]: [number, string]) {
  const Client = makeGenericClientConstructor({}, 'reflection');
  const client = new Client(new URL(url).host, credentials.createInsecure());
  harness.closing(() => {
    client.close();
  });
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const stream = client.makeBidiStreamRequest(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (request: Uint8Array) => Buffer.from(request),
    (answer: Buffer) => answer.toString('latin1'),
    metadata,
  );
  stream.write(
    new BinaryWriter()
      .uint32((field << 3) | 2)
      .string(text)
      .finish(),
  );
  stream.end();
  for await (const answer of stream) return String(answer);
  throw new Error('no answer');
}

const tokens = [{ name: 'ada', token: 'token-of-ada' }];

describe('reflection', () => {
  it('names the services, and gives the files that describe them', async () => {
    const { url } = await harness.listening({ tokens });
    const services = await reflected(url, 'token-of-ada', [asks.listServices, '']);
    expect(services).toContain('coreweave.sandbox.v1.SandboxService');
    expect(services).toContain('sandboxrx.v1.ProcessService');
    const symbol = 'coreweave.sandbox.v1.SandboxService';
    const files = await reflected(url, 'token-of-ada', [asks.fileContainingSymbol, symbol]);
    expect(files).toContain('StreamExec');
    expect(files).toContain('coreweave/sandbox/v1/sandbox.proto');
  });

  it('needs a token', async () => {
    const { url } = await harness.listening({ tokens });
    await expect(reflected(url, 'wrong', [asks.listServices, ''])).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });
});
