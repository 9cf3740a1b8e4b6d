// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { encodeUse } from '../../../src/audit/key-use.ts';
import { Drafting } from '../../../src/notary/drafts/drafting.ts';
import { draftAt, putDraft, type DraftValues } from '../../../src/notary/drafts/draft.ts';
import { TermsKeeper } from '../../../src/notary/drafts/terms.ts';
import type { HeldDevice } from '../../../src/notary/held.ts';
import { encodeRequest, readEnvelope } from '../../../src/notary/messages.ts';
import type { OperationName } from '../../../src/notary/operations/index.ts';
import type { IssuedCertificate, NotaryStatus } from '../../../src/notary/port.ts';
import type { Request } from '../../../src/notary/protocol.ts';
import type { TokenThread } from '../../../src/notary/threads/thread.ts';
import { freshPublicKey } from '../issue/samples.ts';
import { CONFIGURATION, frontOver, REQUEST, SettableClock } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const HOUR = 3_600_000;

/** A front over a token in memory, and how many leaves were signed as drafts and how many requests went as a whole. */
class Setting {
  readonly clock = new SettableClock();
  readonly notary = frontOver({ token: new MemoryToken(), clock: this.clock });
  drafts = 0;
  whole = 0;

  async configured(): Promise<this> {
    await this.ask('configure', CONFIGURATION);
    const { device } = this.notary.configuration.threads;
    if (device) this.#count(device);
    return this;
  }

  ask<T>(operation: OperationName, body: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify(encodeRequest({ id: 1, operation, body } as unknown as Request));
      const answer = (given: string): void => {
        const { result, error } = JSON.parse(given) as { result: T; error?: Error };
        if (error) reject(error);
        else resolve(result);
      };
      this.notary.front.handle(readEnvelope(text), { isThere: () => true, answer });
    });
  }

  issue(change: Partial<typeof REQUEST> = {}): Promise<IssuedCertificate> {
    return this.ask('issue', { ...REQUEST, publicKey: freshPublicKey(), ...change });
  }

  #count(thread: TokenThread): void {
    const [sign, request] = [thread.sign.bind(thread), thread.request.bind(thread)];
    thread.sign = (leaf) => {
      this.drafts++;
      sign(leaf);
    };
    thread.request = (job) => {
      this.whole++;
      request(job);
    };
  }
}

const settings: Setting[] = [];
afterEach(async () => {
  for (const { notary } of settings.splice(0)) await notary.configuration.close();
});

function configured(): Promise<Setting> {
  const setting = new Setting();
  settings.push(setting);
  return setting.configured();
}

describe('a leaf that is drafted in the main thread', () => {
  it('is signed by the CA, recorded, and costs the thread of the token no request', async () => {
    const setting = await configured();
    const { chain, serial } = await setting.issue();
    const status = await setting.ask<NotaryStatus>('status', {});
    const leaf = new X509Certificate(Buffer.from(String(chain[0]), 'base64'));
    expect(leaf.verify(new X509Certificate(status.issuer!.anchors).publicKey)).toBe(true);
    expect(leaf.serialNumber.toLowerCase()).toBe(serial.replace(/^0+/, ''));
    expect(setting.notary.trail.uses).toMatchObject([
      { operation: 'issue', result: 'Issued', serial, keyUri: status.issuer!.keyUri, who: REQUEST.requester },
    ]);
    expect([setting.drafts, setting.whole]).toEqual([1, 0]);
  });

  it("counts among what was issued: it can be revoked, and its key is no other module's", async () => {
    const setting = await configured();
    const publicKey = freshPublicKey();
    await setting.issue({ publicKey });
    const other = { publicKey, spiffeId: REQUEST.spiffeId.replace('press', 'lathe') };
    await expect(setting.issue(other)).rejects.toMatchObject({
      code: 'ProfileViolation',
      message: expect.stringContaining('another module') as unknown,
    });
    expect(setting.notary.trail.uses.at(-1)).toMatchObject({ result: 'Refused', code: 'ProfileViolation' });
    const { podUid, identity } = REQUEST.requester;
    const revocation = { podUid, identity, reason: 'superseded', cause: 'ImageDigest' };
    expect(await setting.ask('revoke', revocation)).toEqual({ certificates: 1, tokens: 0 });
  });

  it("is not for one of the notary's own keys", async () => {
    const setting = await configured();
    const status = await setting.ask<NotaryStatus>('status', {});
    const ca = new X509Certificate(status.issuer!.anchors).publicKey;
    const publicKey = ca.export({ format: 'der', type: 'spki' });
    await expect(setting.issue({ publicKey })).rejects.toMatchObject({ code: 'ProfileViolation' });
    await expect(setting.issue()).resolves.toBeDefined();
  });

  it('is not what a module asks for itself, of which it may have fewer', async () => {
    const setting = await configured();
    await setting.issue({ byModule: true });
    expect([setting.drafts, setting.whole]).toEqual([0, 1]);
  });

  it('beyond the profile goes the whole way, where it is refused and recorded', async () => {
    const setting = await configured();
    await expect(setting.issue({ lifetimeSeconds: 2 ** 30 })).rejects.toMatchObject({ code: 'ProfileViolation' });
    expect([setting.drafts, setting.whole]).toEqual([0, 1]);
    expect(setting.notary.trail.uses).toMatchObject([{ result: 'Refused', code: 'ProfileViolation' }]);
  });

  it('under terms that have changed since is issued under those in effect', async () => {
    const setting = await configured();
    const shorter = { ...CONFIGURATION, issuer: { ...CONFIGURATION.issuer, maxLeafSeconds: 300 } };
    // Drafted while the change is on its way.
    const changed = setting.ask('configure', shorter);
    const [late, fitting] = [setting.issue({ lifetimeSeconds: 600 }), setting.issue({ lifetimeSeconds: 300 })];
    await expect(late).rejects.toMatchObject({ code: 'ProfileViolation' });
    await expect(fitting).resolves.toBeDefined();
    await changed;
    expect([setting.drafts, setting.whole]).toEqual([2, 2]);
  });
});

describe('a leaf that came out otherwise than it was drafted', () => {
  it('is dropped, and the use of the key recorded', async () => {
    const { configuration, log } = (await configured()).notary;
    const drafting = new Drafting({ clock: new SettableClock(), encodeUse, log });
    const text = JSON.stringify(encodeRequest({ id: 7, operation: 'issue', body: REQUEST }));
    const drafted = drafting.draft(readEnvelope(text), configuration.threads.device?.terms)!;
    expect(drafting.complete(drafted, Buffer.alloc(70))).toMatchObject({ code: 'Ok' });
    const other = { ...drafted, leaf: { ...drafted.leaf, spiffeId: 'spiffe://edge.example/ns/a/module/other' } };
    const { code, text: answer, use } = drafting.complete(other, Buffer.alloc(70));
    expect([code, JSON.parse(answer)]).toMatchObject(['Internal', { id: 7, error: { code: 'Internal' } }]);
    expect(JSON.parse(use!)).toMatchObject({ operation: 'issue', result: 'Refused', code: 'Internal' });
  });
});

describe('the terms', () => {
  const held = (issuer: object): HeldDevice =>
    ({
      authority: { issuer: { key: {}, entry: { certificate: {} }, ...issuer } },
      configuration: CONFIGURATION,
    }) as never;

  it('have a new epoch with every change, and none while nothing changes', () => {
    const keeper = new TermsKeeper();
    const first = held({});
    const epochs = [first, first, held({}), undefined, first].map((now) => keeper.of(now)?.epoch);
    expect(epochs).toEqual([1, 1, 2, undefined, 4]);
  });
});

describe('a draft on its way', () => {
  it('arrives as it left', () => {
    const names = { spiffeId: 'spiffe://edge.example/ns/a/b', podUid: 'uid-ü', identity: 'a/b', serial: 'ff00' };
    const one = { epoch: 3, tbs: Buffer.alloc(400, 0xfe), publicKey: freshPublicKey(), ...names, notAfter: HOUR };
    const other = { ...one, tbs: Buffer.alloc(300, 1), notAfter: 2 * HOUR };
    const values: DraftValues = [];
    for (const draft of [one, other]) putDraft(values, draft);
    expect([draftAt(values, 0), draftAt(values, 1)]).toEqual([one, other]);
  });
});
