// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import { KeysteadError } from '../../../src/errors.ts';
import type { IssuedCertificate } from '../../../src/notary/port.ts';
import type { NotaryService } from '../../../src/notary/service.ts';
import { freshPublicKey } from '../issue/samples.ts';
import { CONFIGURATION, eventually, REQUEST, serviceOver, SettableClock, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A CA that does not roll over within a test. */
const LASTING = { ...CONFIGURATION, issuer: { ...CONFIGURATION.issuer, lifetimeSeconds: (30 * DAY) / 1000 } };

const services: NotaryService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.close();
});

class Setting {
  readonly folder = temporaryFolder();
  readonly clock = new SettableClock();
  readonly token = new MemoryToken();
  parts = this.start();

  get service(): NotaryService {
    return this.parts.service;
  }

  start(): ReturnType<typeof serviceOver> {
    const parts = serviceOver({ token: this.token, folder: this.folder, clock: this.clock });
    services.push(parts.service);
    if (!parts.service.status().ready) parts.service.configure(LASTING);
    return parts;
  }

  restart(): void {
    this.service.close();
    this.parts = this.start();
  }

  issue(podUid: string, identity = 'press'): IssuedCertificate {
    const requester = { ...REQUEST.requester, podUid, identity };
    const issued = this.service.issue({ ...REQUEST, publicKey: freshPublicKey(), requester });
    this.service.commit();
    return issued;
  }

  revoke(podUid: string, identity?: string): ReturnType<NotaryService['revoke']> {
    const whose = { podUid, ...(identity !== undefined && { identity }) };
    const revoked = this.service.revoke({ ...whose, reason: 'privilegeWithdrawn', cause: 'CodeNotFromImage' });
    this.service.commit();
    return revoked;
  }

  /** Serials on the current list, which must be signed by the CA. */
  async listed(): Promise<string[]> {
    const [crl] = this.service.revocationLists().crls;
    const list = new x509.X509Crl(crl!.der);
    const [anchor] = this.service.status().issuer!.anchors.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/) ?? [];
    expect(await list.verify({ publicKey: new x509.X509Certificate(anchor!).publicKey })).toBe(true);
    expect(list.entries).toHaveLength(crl!.count);
    return list.entries.map(({ serialNumber }) => serialNumber.toLowerCase().padStart(32, '0')).sort();
  }
}

describe('the revocation list of a CA', () => {
  it('is there from the start, empty, and good for a week', async () => {
    const setting = new Setting();
    expect(await setting.listed()).toEqual([]);
    const [summary] = setting.service.status().revocation!.crls;
    expect(summary!.nextUpdate).toBe(setting.clock.time + 7 * DAY);
    expect(summary!.thisUpdate).toBeLessThan(setting.clock.time);
  });

  it('holds all that was issued to a pod and has not ended, what was renewed meanwhile too, and nothing of others', async () => {
    const setting = new Setting();
    const mine = [setting.issue('pod-1'), setting.issue('pod-1', 'other'), setting.issue('pod-1')];
    setting.issue('pod-2');
    expect(setting.revoke('pod-1')).toEqual({ certificates: 3, tokens: 0 });
    expect(await setting.listed()).toEqual(mine.map(({ serial }) => serial).sort());
    expect(setting.revoke('pod-1')).toEqual({ certificates: 0, tokens: 0 });
  });

  it('can hold what was issued for one identity of a pod alone', async () => {
    const setting = new Setting();
    const [kept, taken] = [setting.issue('pod-1'), setting.issue('pod-1', 'other')];
    expect(setting.revoke('pod-1', 'other')).toEqual({ certificates: 1, tokens: 0 });
    expect(await setting.listed()).toEqual([taken.serial]);
    expect(kept.serial).not.toBe(taken.serial);
  });

  it('has another number after each change, and a greater one', () => {
    const setting = new Setting();
    const number = (): number => setting.service.status().revocation!.crls[0]!.number;
    const first = number();
    setting.issue('pod-1');
    setting.revoke('pod-1');
    expect(number()).toBe(first + 1);
  });

  it('outlives the process, and so does what was issued', async () => {
    const setting = new Setting();
    const [first, second] = [setting.issue('pod-1'), setting.issue('pod-2')];
    setting.revoke('pod-1');
    const before = setting.service.status().revocation;
    setting.restart();
    expect(setting.service.status().revocation).toEqual(before);
    expect(setting.revoke('pod-2')).toEqual({ certificates: 1, tokens: 0 });
    expect(await setting.listed()).toEqual([first.serial, second.serial].sort());
  });

  it('is signed anew each day', () => {
    const setting = new Setting();
    const number = setting.service.status().revocation!.crls[0]!.number;
    setting.clock.time += HOUR;
    setting.restart();
    expect(setting.service.status().revocation!.crls[0]!.number).toBe(number);
    setting.clock.time += DAY;
    setting.restart();
    const [summary] = setting.service.status().revocation!.crls;
    expect([summary!.number, summary!.nextUpdate]).toEqual([number + 1, setting.clock.time + 7 * DAY]);
  });

  it('is signed anew after the clock was set back: nobody takes a list from the future', () => {
    const setting = new Setting();
    setting.clock.time += HOUR;
    setting.issue('pod-1');
    setting.revoke('pod-1');
    setting.clock.time -= HOUR;
    setting.restart();
    const [summary] = setting.service.status().revocation!.crls;
    expect(summary!.nextUpdate).toBe(setting.clock.time + 7 * DAY);
  });

  it('lets go of a certificate that has ended once that was on a list after its end', async () => {
    const setting = new Setting();
    const { serial } = setting.issue('pod-1');
    setting.revoke('pod-1');
    setting.clock.time += DAY;
    setting.restart();
    expect(await setting.listed()).toEqual([serial]);
    setting.clock.time += DAY + 1000;
    setting.restart();
    expect(await setting.listed()).toEqual([]);
  });

  it('is signed by the CA that issued, after a rollover too', () => {
    const setting = new Setting();
    setting.service.configure({ ...LASTING, issuer: { ...LASTING.issuer, algorithm: 'EC-P384' } });
    setting.clock.time += DAY - 60_000;
    setting.restart();
    setting.issue('pod-1');
    setting.clock.time += 120_000;
    setting.restart();
    setting.issue('pod-2');
    expect(setting.service.status().issuer!.algorithm).toBe('EC-P384');
    const counts = (): number[] => setting.service.status().revocation!.crls.map(({ count }) => count);
    expect(counts()).toEqual([0, 0]);
    setting.revoke('pod-1');
    expect(counts().sort()).toEqual([0, 1]);
    setting.revoke('pod-2');
    expect(counts()).toEqual([1, 1]);
  });

  it('has a number that grows even where the state folder lost it', () => {
    const setting = new Setting();
    const { number } = setting.service.status().revocation!.crls[0]!;
    setting.service.close();
    writeFileSync(join(setting.folder, 'revocations.json'), '{"format":1');
    setting.clock.time += 5_000;
    setting.parts = setting.start();
    expect(setting.service.status().revocation!.crls[0]!.number).toBeGreaterThan(number);
  });

  it('gets what was revoked while the token was away once that is back', async () => {
    const setting = new Setting();
    const { serial } = setting.issue('pod-1');
    setting.token.failure = new KeysteadError('TokenAbsent', 'no token with label "edge"');
    expect(setting.revoke('pod-1')).toEqual({ certificates: 1, tokens: 0 });
    setting.token.failure = undefined;
    await eventually(() => setting.service.status().ready, 'ready after the token came back');
    expect(await setting.listed()).toEqual([serial]);
    expect(setting.service.status().revocation).not.toHaveProperty('failure');
  });
});

describe('revocation', () => {
  it('takes back what pods hold that are not there any more', async () => {
    const setting = new Setting();
    const gone = setting.issue('pod-1');
    setting.issue('pod-2');
    setting.restart();
    expect(setting.service.revokeOthers({ podUids: ['pod-2', 'pod-3'] })).toEqual({ certificates: 1, tokens: 0 });
    setting.service.commit();
    expect(await setting.listed()).toEqual([gone.serial]);
  });

  it('lists tokens by their jti until they have ended', () => {
    const setting = new Setting();
    const { requester, spiffeId } = REQUEST;
    const { jti, expiresAt } = setting.service.issueToken({
      spiffeId,
      audiences: ['hub'],
      lifetimeSeconds: 300,
      requester: { ...requester, podUid: 'pod-1' },
    });
    setting.service.commit();
    const { tokenVersion } = setting.service.status().revocation!;
    expect(setting.revoke('pod-1')).toEqual({ certificates: 0, tokens: 1 });
    const revokedAt = Math.floor(setting.clock.time / 1000) * 1000;
    const listed = { jti, until: expiresAt, revokedAt, reason: 'privilegeWithdrawn' };
    expect(setting.service.revocationLists().tokens).toEqual([listed]);
    setting.restart();
    expect(setting.service.revocationLists().tokens).toEqual([listed]);
    expect(setting.service.status().revocation!.tokenVersion).toBe(tokenVersion + 1);
    setting.clock.time += 301_000;
    expect(setting.service.revocationLists().tokens).toEqual([]);
  });

  it('keeps the token of a refused process on the list, however many a pod that is restarted again and again asks for', () => {
    const setting = new Setting();
    const { requester, spiffeId } = REQUEST;
    const issueTokens = (podUid: string, count: number): string[] =>
      Array.from({ length: count }, () => {
        const request = { spiffeId, audiences: ['hub'], lifetimeSeconds: 300, requester: { ...requester, podUid } };
        return setting.service.issueToken(request).jti;
      });
    const tokens = (): string[] => setting.service.revocationLists().tokens.map(({ jti }) => jti);
    const [refused] = issueTokens('pod-1', 1);
    setting.revoke('pod-1');
    for (let restart = 0; restart < 5; restart++) {
      setting.clock.time += 1_000;
      const newest = issueTokens('pod-2', 1_024);
      setting.service.revoke({ podUid: 'pod-2', reason: 'cessationOfOperation', cause: 'ProcessEnded' });
      setting.service.commit();
      expect(tokens()).toEqual(expect.arrayContaining(newest));
      expect(tokens()).toContain(refused);
    }
    expect(tokens()).toHaveLength(4_096);
  });

  it('is in the audit log with what led to it', () => {
    const setting = new Setting();
    const { serial } = setting.issue('pod-1');
    setting.revoke('pod-1');
    const revoked = { podUid: 'pod-1', cause: 'CodeNotFromImage', serials: [serial], jtis: [] };
    expect(setting.parts.audit.entries.at(-1)).toEqual({ operation: 'revoke', result: 'Done', revoked });
  });
});
