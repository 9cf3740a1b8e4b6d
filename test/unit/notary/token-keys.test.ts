// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { verifyJwtSvid } from '../../../src/issue/jwt-verification.ts';
import type { IssuedToken, NotaryConfiguration } from '../../../src/notary/port.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { issueJwtSvid } from '../../../src/notary/token-issuing.ts';
import { TokenKeys } from '../../../src/notary/token-keys.ts';
import { CONFIGURATION, recordedLog, REQUEST, SettableClock, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const DAY = 86_400_000;
const { spiffeId, requester } = REQUEST;
let token: MemoryToken;
let folder: string;
let clock: SettableClock;

beforeEach(() => {
  token = new MemoryToken();
  folder = temporaryFolder();
  clock = new SettableClock();
});

function start(tokens: NotaryConfiguration['tokens'] = CONFIGURATION.tokens): TokenKeys {
  const configuration = { ...CONFIGURATION, tokens };
  const state = new StateFolder(folder);
  return new TokenKeys({ root: token.open(), configuration, state, clock, log: recordedLog().log });
}

const issue = (keys: TokenKeys, lifetimeSeconds = 3600): IssuedToken =>
  issueJwtSvid(
    keys.signer,
    { trustDomain: CONFIGURATION.trustDomain, maxTokenSeconds: 3600 },
    { spiffeId, requester, audiences: ['till'], lifetimeSeconds },
    clock.now(),
  );
const states = (keys: TokenKeys): string[] => keys.published.map(({ state }) => state);
const isValid = ({ token: text }: IssuedToken, keys: TokenKeys): boolean => {
  const known = keys.published.map(({ keyId, jwk }) => ({ ...jwk, kid: keyId }));
  try {
    return verifyJwtSvid(text, { audience: 'till', keys: () => known, now: clock.now() }).spiffeId === spiffeId;
  } catch {
    return false;
  }
};

describe('the token signing keys', () => {
  it('are made at the first start under a label of their own, and found again at the next', () => {
    const first = start();
    expect([...token.keys.keys()]).toEqual(['keystead-token:edge.example:node-1:1']);
    expect(first.published).toEqual([
      expect.objectContaining({ state: 'Current', extractable: false, sensitive: true, keyUri: expect.any(String) }),
    ]);
    expect(start().published).toEqual(first.published);
    expect(isValid(issue(first), first)).toBe(true);
  });

  it('follow each other with overlap: each token is valid from its first to its last second', () => {
    const keys = start();
    const issued: IssuedToken[] = [];
    const seen = new Set<string>();
    for (const end = clock.time + 5 * DAY; clock.time < end; clock.time += 600_000) {
      keys.maintain();
      const published = new Set(keys.published.map(({ keyId }) => keyId));
      const fresh = issue(keys);
      // Published at the look before, ten minutes ago: who read the bundle then knows the key.
      if (issued.length > 0 && !seen.has(fresh.keyId)) throw new Error(`${fresh.keyId} signs and was not published`);
      for (const keyId of published) seen.add(keyId);
      issued.push(fresh);
      const living = issued.filter(({ expiresAt }) => expiresAt >= clock.time);
      expect(living.filter((each) => !isValid(each, keys))).toEqual([]);
    }
    expect(seen.size).toBeGreaterThanOrEqual(5);
    expect(keys.published.length).toBeLessThanOrEqual(3);
    expect(token.keys.size).toBeLessThanOrEqual(2);
  });

  it('of former generations leave the token at once, and the bundle when their last token has ended', () => {
    const keys = start();
    const before = issue(keys);
    clock.time += 0.7 * DAY;
    keys.maintain();
    expect(states(keys)).toEqual(['Current', 'Next']);
    clock.time += 0.1 * DAY;
    keys.maintain();
    expect(states(keys)).toEqual(['Current', 'Former']);
    expect([...token.keys.keys()]).toEqual(['keystead-token:edge.example:node-1:2']);
    expect(issue(keys).keyId).not.toBe(before.keyId);
    clock.time += 3_600_000 + 300_000 + 1;
    keys.maintain();
    expect(states(keys)).toEqual(['Current']);
  });

  it('that were lost are replaced; the old one stays published, as its tokens live', () => {
    const before = issue(start());
    token.keys.clear();
    const keys = start();
    expect(states(keys)).toEqual(['Current', 'Former']);
    expect(isValid(before, keys)).toBe(true);
    expect(isValid(issue(keys), keys)).toBe(true);
  });

  it('are made anew where their record is unreadable', () => {
    start();
    writeFileSync(join(folder, 'token-keys.json'), '{"format":9}');
    const keys = start();
    expect(isValid(issue(keys), keys)).toBe(true);
    expect(token.keys.size).toBe(1);
  });

  it('that the token cannot hold are a reason, and come as soon as it can', () => {
    token.generationFailure = new KeysteadError('TokenFull', 'no room');
    const keys = start();
    expect(keys.failure).toMatchObject({ code: 'TokenFull' });
    expect(() => keys.signer).toThrow('no room');
    token.generationFailure = undefined;
    keys.maintain();
    expect(keys.failure).toBeUndefined();
    expect(isValid(issue(keys), keys)).toBe(true);
  });

  it('go on signing where the next one cannot be made', () => {
    const keys = start();
    clock.time += 0.7 * DAY;
    token.generationFailure = new KeysteadError('TokenFull', 'no room');
    keys.maintain();
    expect(keys.failure).toBeUndefined();
    expect(isValid(issue(keys), keys)).toBe(true);
  });

  it('keep a former key as long as the longest token that it may have signed', () => {
    const keys = start({ keyLifetimeSeconds: 86_400, maxSeconds: 3600 });
    keys.reconfigure({ keyLifetimeSeconds: 86_400, maxSeconds: 7200 });
    keys.reconfigure({ keyLifetimeSeconds: 86_400, maxSeconds: 60 });
    clock.time += 0.95 * DAY;
    keys.maintain();
    clock.time += 0.1 * DAY;
    keys.maintain();
    const former = keys.published.find(({ state }) => state === 'Former')!;
    expect(former.until - clock.time).toBeGreaterThanOrEqual(7_200_000);
  });
});
