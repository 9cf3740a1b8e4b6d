// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { encodeRequest, readEnvelope } from '../../../src/notary/messages.ts';
import type { OperationName } from '../../../src/notary/operations/index.ts';
import type { NotaryConfiguration, NotaryStatus } from '../../../src/notary/port.ts';
import type { Request } from '../../../src/notary/protocol.ts';
import { CONFIGURATION, eventually, frontOver, PKCS11, REQUEST, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

type Started = ReturnType<typeof frontOver>;

const started: Started[] = [];
afterEach(async () => {
  for (const { configuration } of started.splice(0)) await configuration.close();
});

function start(...args: Parameters<typeof frontOver>): Started {
  const made = frontOver(...args);
  started.push(made);
  return made;
}

/** Asks as a connection does. Rejects with the code and message that the answer has. */
function ask<T>({ front }: Started, operation: OperationName, body: unknown = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(encodeRequest({ id: 1, operation, body } as unknown as Request));
    front.handle(readEnvelope(text), {
      isThere: () => true,
      answer: (answer) => {
        const { result, error } = JSON.parse(answer) as { result: T; error?: Error };
        if (error) reject(error);
        else resolve(result);
      },
    });
  });
}

const configure = (of: Started, wanted: NotaryConfiguration = CONFIGURATION): Promise<NotaryStatus> =>
  ask(of, 'configure', wanted);

const otherLibrary: NotaryConfiguration = {
  ...CONFIGURATION,
  rootOfTrust: { pkcs11: { ...PKCS11, library: '/lib/other.so', tokenLabel: 'other' } },
};

describe('a configuration', () => {
  it('is waited for, and then in effect', async () => {
    const notary = start({ token: new MemoryToken() });
    expect(await ask(notary, 'status')).toMatchObject({ ready: false, reason: 'Unavailable', version: '1.2.3' });
    await expect(ask(notary, 'issue', REQUEST)).rejects.toMatchObject({ code: 'Unavailable' });
    expect(await configure(notary)).toMatchObject({ ready: true, issuer: { algorithm: 'EC-P256' } });
    expect(await ask(notary, 'issue', REQUEST)).toMatchObject({ serial: expect.any(String) as unknown });
  });

  it('is taken up after a restart', async () => {
    const [token, folder] = [new MemoryToken(), temporaryFolder()];
    const before = await configure(start({ token, folder }));
    const again = start({ token, folder });
    await again.configuration.resume();
    expect(again.front.status()).toEqual(before);
  });

  it('that is kept and unreadable is waited for again', async () => {
    const [token, folder] = [new MemoryToken(), temporaryFolder()];
    await configure(start({ token, folder }));
    writeFileSync(join(folder, 'configuration.json'), '{"trustDomain":5}');
    const again = start({ token, folder });
    await again.configuration.resume();
    expect(again.front.status().ready).toBe(false);
    expect((await configure(again)).ready).toBe(true);
  });

  it('that is the same again does nothing', async () => {
    const token = new MemoryToken();
    const notary = start({ token });
    const first = await configure(notary);
    expect(await configure(notary, structuredClone(CONFIGURATION))).toEqual(first);
    expect(token.opened).toBe(1);
  });

  it.each([
    ['trust domain', { trustDomain: 'other.example' }],
    ['node', { node: 'node-2' }],
  ])('of another %s is refused and it is said how to start over', async (_, change) => {
    const notary = start({ token: new MemoryToken() });
    await configure(notary);
    await expect(configure(notary, { ...CONFIGURATION, ...change })).rejects.toMatchObject({
      code: 'InvalidConfiguration',
      message: expect.stringContaining('to start over, stop the notary') as unknown,
    });
    expect(notary.front.status().ready).toBe(true);
  });

  it('of another library is in effect in a thread of its own, and the former is let go of', async () => {
    const [token, other] = [new MemoryToken('0001'), new MemoryToken('0002')];
    const notary = start({ token, tokens: { other } });
    await configure(notary);
    expect((await configure(notary, otherLibrary)).token?.serial).toBe('0002');
    await ask(notary, 'issue', REQUEST);
    expect([token.closed, other.closed]).toEqual([1, 0]);
  });

  it('of a library that cannot be used is refused, and the former stays in effect and on disk', async () => {
    const [token, other, folder] = [new MemoryToken('0001'), new MemoryToken('0002'), temporaryFolder()];
    other.failure = new KeysteadError('TokenAbsent', 'no token with label "other"');
    const notary = start({ token, tokens: { other }, folder });
    await configure(notary);
    await expect(configure(notary, otherLibrary)).rejects.toMatchObject({ message: 'no token with label "other"' });
    expect(notary.front.status()).toMatchObject({ ready: true, token: { serial: '0001' } });
    expect(JSON.parse(readFileSync(join(folder, 'configuration.json'), 'utf8'))).toEqual(CONFIGURATION);
    await ask(notary, 'issue', REQUEST);
  });
});

/** The node's keys on one token, those of modules on another behind a library of its own. */
const twoTokens: NotaryConfiguration = {
  ...CONFIGURATION,
  rootOfTrust: { pkcs11: PKCS11, modules: { pkcs11: { ...PKCS11, library: '/lib/other.so', tokenLabel: 'other' } } },
};
const KEY = { identityUid: '0c1d', generation: 1 };
const { requester } = REQUEST;

describe("two tokens, one of them for modules' keys", () => {
  function startTwo(folder = temporaryFolder()) {
    const [token, other] = [new MemoryToken('0001'), new MemoryToken('0002')];
    return { token, other, folder, notary: start({ token, tokens: { other }, folder }) };
  }

  it('are used as one notary, whose status tells of both', async () => {
    const { token, other, notary } = startTwo();
    expect(await configure(notary, twoTokens)).toMatchObject({
      ready: true,
      token: { serial: '0001' },
      moduleToken: { serial: '0002' },
    });
    await ask(notary, 'obtainKey', { key: KEY, requester });
    const signature = await ask(notary, 'signWithKey', { key: KEY, requester, message: Buffer.from('x') });
    expect(signature).toMatchObject({ keyUri: expect.stringContaining('keystead-module') as unknown });
    await ask(notary, 'issue', REQUEST);
    expect([token, other].map(({ keys }) => [...keys.keys()].some((label) => label.includes('module')))).toEqual([
      false,
      true,
    ]);
    const uses = notary.trail.uses.map(({ operation }) => operation);
    expect(uses).toEqual(['obtainKey', 'signWithKey', 'issue']);
  });

  it('fail apart: without that of modules certificates are issued, and it is said what is away', async () => {
    const { other, notary } = startTwo();
    other.failure = new KeysteadError('TokenAbsent', 'no token with label "other"');
    const status = await configure(notary, twoTokens);
    expect(status).toMatchObject({
      ready: false,
      reason: 'TokenAbsent',
      message: 'rootOfTrust.modules: no token with label "other"',
      issuer: { algorithm: 'EC-P256' },
    });
    await ask(notary, 'issue', REQUEST);
    const obtained = ask(notary, 'obtainKey', { key: KEY, requester });
    await expect(obtained).rejects.toMatchObject({ code: 'TokenAbsent' });
    other.failure = undefined;
    await eventually(() => notary.front.status().ready, 'both open');
    await ask(notary, 'obtainKey', { key: KEY, requester });
  });

  it('are taken up after a restart', async () => {
    const { token, other, folder, notary } = startTwo();
    const before = await configure(notary, twoTokens);
    await ask(notary, 'obtainKey', { key: KEY, requester });
    const again = start({ token, tokens: { other }, folder });
    await again.configuration.resume();
    expect(again.front.status()).toMatchObject({ ready: true, moduleToken: before.moduleToken });
    expect(await ask(again, 'moduleKeys')).toEqual({ keys: [KEY] });
  });

  it('change to one, to two, and places, with nothing left open', async () => {
    const { token, other, notary } = startTwo();
    await configure(notary);
    await configure(notary, twoTokens);
    expect([token.opened - token.closed, other.opened - other.closed]).toEqual([1, 1]);
    const swapped = { ...otherLibrary.rootOfTrust, modules: CONFIGURATION.rootOfTrust };
    const status = await configure(notary, { ...CONFIGURATION, rootOfTrust: swapped });
    expect(status).toMatchObject({ ready: true, token: { serial: '0002' }, moduleToken: { serial: '0001' } });
    await ask(notary, 'obtainKey', { key: KEY, requester });
    await ask(notary, 'issue', REQUEST);
    await configure(notary, otherLibrary);
    await eventually(() => token.opened === token.closed, 'the former closed');
    expect(other.opened - other.closed).toBe(1);
  });

  it('stay as they are where a change fails, whichever of them failed', async () => {
    const { other, notary } = startTwo();
    await configure(notary);
    other.failure = new KeysteadError('TokenAbsent', 'no token with label "other"');
    await expect(configure(notary, twoTokens)).rejects.toMatchObject({ code: 'TokenAbsent' });
    expect(notary.front.status()).toMatchObject({ ready: true, token: { serial: '0001' } });
    // The one thread holds both again.
    await ask(notary, 'obtainKey', { key: KEY, requester });
    await ask(notary, 'issue', REQUEST);
  });
});

describe('a use of a key', () => {
  it('is recorded before its answer leaves, done or refused', async () => {
    const notary = start({ token: new MemoryToken() });
    await configure(notary);
    const { serial } = await ask<{ serial: string }>(notary, 'issue', REQUEST);
    await expect(ask(notary, 'issue', { ...REQUEST, lifetimeSeconds: 2 ** 30 })).rejects.toMatchObject({
      code: 'ProfileViolation',
    });
    expect(notary.trail.uses).toMatchObject([
      { operation: 'issue', result: 'Issued', serial, who: REQUEST.requester },
      { operation: 'issue', result: 'Refused', code: 'ProfileViolation', who: REQUEST.requester },
    ]);
  });

  it('does not happen where it could not be recorded', async () => {
    const token = new MemoryToken();
    const notary = start({ token });
    await configure(notary);
    const before = token.signatures;
    notary.trail.failure = new KeysteadError('AuditUnavailable', 'disk full');
    await expect(ask(notary, 'issue', REQUEST)).rejects.toMatchObject({ code: 'AuditUnavailable' });
    expect(token.signatures).toBe(before);
    expect(notary.front.status()).toMatchObject({ ready: false, reason: 'AuditUnavailable' });
    notary.trail.failure = undefined;
    await ask(notary, 'issue', REQUEST);
    expect(token.signatures).toBe(before + 1);
  });

  it('is counted', async () => {
    const notary = start({ token: new MemoryToken() });
    expect(notary.front.metrics()).toContain('keystead_notary_ready{reason="Unavailable"} 0');
    await configure(notary);
    await ask(notary, 'issue', REQUEST);
    const text = notary.front.metrics();
    expect(text).toContain('keystead_notary_ready{reason=""} 1');
    expect(text).toContain('keystead_notary_issue_duration_seconds_count 1');
    expect(text).toContain('keystead_notary_token_openings_total{result="Ok"} 1');
    expect(text).toMatch(/keystead_notary_issuer_not_after_seconds 1\d{9}/);
  });
});

describe('a pod that asks for too much', () => {
  it('is told when to ask again, and others are served', async () => {
    const notary = start({ token: new MemoryToken() });
    await configure(notary);
    const asked = Array.from({ length: 140 }, () => ask(notary, 'issue', REQUEST));
    const requester = { ...REQUEST.requester, pod: 'factory/lathe-0' };
    const other = ask(notary, 'issue', { ...REQUEST, requester });
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(12);
    expect(refused[0]).toMatchObject({ reason: { code: 'Overloaded', retryAfterMs: 50 } });
    await other;
    await ask(notary, 'issue', REQUEST);
  });
});
