import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ScratchVolume } from 'sandbox-rx';
import {
  CreateSandboxRequest,
  SandboxSpec as SandboxSpecMessage,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { bytesOfQuantity } from '../../lib/sandbox/quantity.js';
import { sandboxRequestOf, specOf } from '../../lib/wire/sandbox-request.js';

describe('a size', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['10Gi', 10 * 2 ** 30],
    ['500M', 500_000_000],
    ['1.5Ki', 1536],
    ['.5k', 500],
    ['1.', 1],
    ['+2e3', 2000],
    ['1E3', 1000],
    ['1E', undefined],
    ['8Pi', undefined],
    ['7Pi', 7 * 2 ** 50],
    ['0.0001', 1],
    ['1.0000000000000000000001Ki', 1025],
    ['', undefined],
    ['.', undefined],
    ['Gi', undefined],
    ['-1', undefined],
    ['1 Gi', undefined],
    ['1gi', undefined],
    ['1Ki2', undefined],
    ['1e99', undefined],
    ['1e100', undefined],
    ['50%', undefined],
    ['0x10', undefined],
    ['9'.repeat(1000), undefined],
  ])('%s is %s bytes', (text, bytes) => {
    expect(bytesOfQuantity(text)).toBe(bytes);
  });

  it('is any whole number of bytes, in any unit that holds it exactly', () => {
    const units = ['', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3'] as const;
    const factors = { '': 1, k: 1e3, M: 1e6, G: 1e9, Ki: 1024, Mi: 2 ** 20, Gi: 2 ** 30, e3: 1e3 };
    fc.assert(
      fc.property(fc.nat(8_000_000), fc.constantFrom(...units), (count, unit) => {
        expect(bytesOfQuantity(`${count}${unit}`)).toBe(count * factors[unit]);
      }),
    );
  });

  it('is a number or nothing, whatever stands there', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[+-]?\d{0,40}\.?\d{0,40}[eEKMGTPkin]{0,2}\d{0,4}$/),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = bytesOfQuantity(text);
        expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true);
      }),
    );
  });
});

describe('volumes', () => {
  const naming = { image: 'image', requestId: 'request' };

  it('are the same on the other side', () => {
    const volume: fc.Arbitrary<ScratchVolume> = fc.record(
      {
        name: fc.stringMatching(/^[\w-]{1,63}$/),
        mountPath: fc.string({ minLength: 1 }),
        sizeBytes: fc.maxSafeNat(),
        snapshotId: fc.string({ minLength: 1 }),
      },
      { requiredKeys: ['name', 'mountPath'] },
    );
    const volumes = fc.uniqueArray(volume, { minLength: 1, selector: ({ name }) => name });
    fc.assert(
      fc.property(volumes, (wanted) => {
        const { request, options, needsOptions } = sandboxRequestOf({ volumes: wanted }, naming);
        const sent = CreateSandboxRequest.decode(CreateSandboxRequest.encode(request).finish());
        const message = sent.sandbox?.spec ?? SandboxSpecMessage.create();
        expect(specOf(message, options).volumes).toEqual(wanted);
        expect(needsOptions).toBe(false);
      }),
    );
  });

  const asked = (volumes: readonly object[], volumeMounts: readonly object[]) =>
    specOf(
      SandboxSpecMessage.fromPartial({
        containers: [{ name: 'main', volumeMounts: [...volumeMounts] }],
        volumes: [...volumes],
      }),
    );
  const scratch = (value: object = {}) => ({ name: 'data', source: { $case: 'scratch', value } });
  const mount = { volume: 'data', mountPath: '/data' };

  it('that say no more than their name are scratch volumes', () => {
    const bare = { volumes: [{ name: 'data', mountPath: '/data' }] };
    expect(asked([scratch()], [mount])).toMatchObject(bare);
    expect(asked([{ name: 'data' }], [mount])).toMatchObject(bare);
    expect(asked([scratch({ medium: 2, size: '1Mi' })], [mount])).toMatchObject({
      volumes: [{ sizeBytes: 1_048_576 }],
    });
  });

  it.each([
    ['a mount of none', [scratch()], [mount, { volume: 'other', mountPath: '/x' }]],
    ['one that is mounted nowhere', [scratch(), { name: 'other' }], [mount]],
    ['a size that is none', [scratch({ size: 'much' })], [mount]],
    ['a share of a disk', [scratch({ size: '50%', medium: 1 })], [mount]],
    ['a share of memory beyond all of it', [scratch({ size: '101%', medium: 2 })], [mount]],
    ['memory without a size', [scratch({ medium: 2 })], [mount]],
  ])('are refused: %s', (_, volumes, mounts) => {
    expect(() => asked(volumes, mounts)).toThrow(
      expect.objectContaining({ code: 'ERR_VALIDATION' }),
    );
  });

  const registered = { name: 'data', source: { $case: 'volumeId', value: 'vol-1' } };
  it.each([
    ['registered ones', [registered], [mount]],
    ['a part of one', [scratch()], [{ ...mount, subPath: 'x' }]],
    ['one that is not to be written', [scratch()], [{ ...mount, readOnly: true }]],
    ['one in two places', [scratch()], [mount, { ...mount, mountPath: '/more' }]],
    ['a share of memory', [scratch({ size: '50%', medium: 2 })], [mount]],
  ])('cannot be had: %s', (_, volumes, mounts) => {
    expect(() => asked(volumes, mounts)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', capability: 'volumes' }),
    );
  });
});
