import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { Tokens } from '../../lib/host/auth/tokens.js';

const key = new Uint8Array(randomBytes(32));
const ada = { name: 'ada', token: 'token-of-ada', admin: true };
const grace = { name: 'grace', token: 'token-of-grace' };
const scope = { readOnly: true, sandboxId: 'one', ttlMs: 0 };

/** A host's tokens at a time that a test sets. */
function clocked(tokens = [ada, grace], options = {}) {
  const clock = { now: 1_000_000 };
  return { clock, tokens: new Tokens(tokens, { key, now: () => clock.now, ...options }) };
}

const bearer = (token: string) => `Bearer ${token}`;

/** What somebody is refused with. */
function refusal(tokens: Tokens, token: string) {
  try {
    tokens.verify(bearer(token));
  } catch (error) {
    return error;
  }
  throw new Error('it was let in');
}

const unknown = {
  code: 'ERR_PERMISSION',
  remote: { grpcCode: 16, reason: 'SANDBOXRX_UNAUTHENTICATED' },
};

function made(tokens: Tokens, wanted = scope, issuer = 'ada') {
  return tokens.make({ caller: issuer, isAdmin: false, scope: undefined }, wanted);
}

describe('a token that a host makes', () => {
  it('counts as that of its issuer, but for an admin, with what it is for', () => {
    const { tokens } = clocked();
    const { token, scope: said } = made(tokens);
    expect(said.name).toMatch(/^ada\/[0-9a-f]{8}$/);
    expect(said).toEqual({
      ...{ name: said.name, readOnly: true, sandboxId: 'one', expiresAtMs: 1_900_000 },
    });
    expect(tokens.verify(bearer(token))).toEqual({ caller: 'ada', isAdmin: false, scope: said });
    expect(made(tokens).scope.name).not.toBe(said.name);
  });

  it('fits in a header and in a subprotocol of a WebSocket', () => {
    const sandboxId = 'x'.repeat(128);
    const { token } = made(clocked().tokens, { ...scope, sandboxId });
    expect(token).toMatch(/^srx1\.[\w.-]+$/);
    expect(token.length).toBeLessThan(500);
  });

  it.each([
    ['as long as usual', 0, {}, 900_000],
    ['no longer than is allowed', 0, { maxTtlMs: 5000 }, 5000],
    ['as long as the host has it', 0, { ttlMs: 7000 }, 7000],
    ['as long as is asked for', 86_400_000, {}, 86_400_000],
  ])('is good for %s, to the millisecond', (_, ttlMs, options, expected) => {
    const { clock, tokens } = clocked([ada], options);
    const { token } = made(tokens, { ...scope, ttlMs });
    clock.now += expected - 1;
    expect(tokens.verify(bearer(token)).caller).toBe('ada');
    clock.now += 1;
    expect(refusal(tokens, token)).toMatchObject({
      code: 'ERR_PERMISSION',
      message: expect.stringContaining('expired'),
      remote: { grpcCode: 16, reason: 'SANDBOXRX_TOKEN_EXPIRED' },
    });
  });

  it('is not made for longer than is allowed', () => {
    const { tokens } = clocked([ada], { maxTtlMs: 1000 });
    expect(() => made(tokens, { ...scope, ttlMs: 1001 })).toThrow(/ttl_ms.*1000/);
  });

  it('is not made by whoever has none, where there are none', () => {
    const open = new Tokens([]);
    const anybody = open.verify(undefined);
    expect(() => open.make(anybody, scope)).toThrow(/wants no tokens/);
  });

  it('is refused with any character changed, left out or added', () => {
    const { tokens } = clocked();
    const { token } = made(tokens);
    const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(
        fc.nat(token.length),
        fc.nat(1),
        fc.option(visible, { nil: '' }),
        (at, cut, text) => {
          const altered = token.slice(0, at) + text + token.slice(at + cut);
          fc.pre(altered !== token);
          expect(refusal(tokens, altered)).toMatchObject(unknown);
        },
      ),
      { numRuns: 2000 },
    );
    for (let at = 0; at < token.length; at++) {
      const other = token.charAt(at) === 'A' ? 'B' : 'A';
      const altered = token.slice(0, at) + other + token.slice(at + 1);
      expect(refusal(tokens, altered)).toMatchObject(unknown);
    }
  });

  it('is refused with the claims of one and the signature of another', () => {
    const { tokens } = clocked();
    const [narrow, wide] = [made(tokens), made(tokens, { ...scope, readOnly: false })];
    const [version, , signature] = narrow.token.split('.');
    const [, claims] = wide.token.split('.');
    const mixed = [version, claims, signature].join('.');
    expect(refusal(tokens, mixed)).toMatchObject(unknown);
  });

  it('is taken by hosts with the same key and tokens, and by no other', () => {
    const { token } = made(clocked().tokens);
    expect(clocked([grace, ada]).tokens.verify(bearer(token)).caller).toBe('ada');
    for (const [known, options] of [
      [[ada, grace], { key: randomBytes(32) }],
      [[ada, grace], { key: undefined }],
      [[grace], {}],
      [[{ ...ada, token: 'another' }, grace], {}],
      [
        [
          { ...ada, name: 'eve' },
          { ...grace, name: 'ada' },
        ],
        {},
      ],
    ] as const) {
      expect(refusal(clocked([...known], options).tokens, token)).toMatchObject(unknown);
    }
  });
});
