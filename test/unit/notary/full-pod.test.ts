// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, sign } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { buildCertificationRequest } from '../../../src/issue/certification-request-writer.ts';
import { NotaryClient } from '../../../src/notary/client.ts';
import { NotaryServer } from '../../../src/notary/server.ts';
import { CONFIGURATION, frontOver, REQUEST, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const HOURS = 10;
const WANTED = { ...REQUEST, lifetimeSeconds: HOURS * 3_600 };

let client: NotaryClient;
let close: () => Promise<void>;
beforeEach(async () => {
  const { front, configuration, trail, log, metrics } = frontOver({ token: new MemoryToken() });
  const path = join(temporaryFolder(), 'notary.sock');
  const caller = { mode: 0o600, callerUid: process.getuid!(), isInSamePod: () => true };
  const commit = (): void => trail.commit();
  const server = new NotaryServer({ path, ...caller, handle: front.handle.bind(front), metrics, log, commit });
  await server.listen();
  client = new NotaryClient({ path });
  const issuer = { ...CONFIGURATION.issuer, maxLeafSeconds: WANTED.lifetimeSeconds };
  await client.configure({ ...CONFIGURATION, issuer });
  close = async () => {
    client.close();
    await server.close();
    await configuration.close();
  };
});
afterEach(() => close());

describe('a pod that has all the certificates that it may for hours to come', () => {
  it('is told so at once, and what others ask meanwhile is answered', async () => {
    for (let i = 0; i < 8; i++) await Promise.all(Array.from({ length: 128 }, () => client.issue(WANTED)));
    const other = { ...WANTED, requester: { ...REQUEST.requester, podUid: 'another' } };
    const [full, issued] = await Promise.allSettled([client.issue(WANTED), client.issue(other)]);
    // No longer than the protocol has: the message names the time itself.
    expect(full).toMatchObject({ reason: { code: 'Overloaded', retryAfterMs: 3_600_000 } });
    expect(issued).toMatchObject({ status: 'fulfilled' });
  });

  it('has its files renewed still where the module itself has asked for all that it may', async () => {
    const { publicKey: _none, ...names } = WANTED;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificationRequest = buildCertificationRequest({
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      sign: (message) => sign('sha256', message, privateKey),
    });
    // By the Notary API and by IoT Edge's: both count.
    for (let i = 0; i < 8; i++) {
      const requested = Array.from({ length: 62 }, () => client.issueFromRequest({ ...names, certificationRequest }));
      const asked = Array.from({ length: 62 }, () => client.issue({ ...WANTED, byModule: true }));
      await Promise.all([...requested, ...asked]);
    }
    const full = { code: 'Overloaded', message: expect.stringContaining('at most 992 certificates') };
    await expect(client.issueFromRequest({ ...names, certificationRequest })).rejects.toMatchObject(full);
    await expect(client.issue({ ...WANTED, byModule: true })).rejects.toMatchObject(full);
    await Promise.all(Array.from({ length: 32 }, () => client.issue(WANTED)));
    await expect(client.issue(WANTED)).rejects.toMatchObject({ code: 'Overloaded' });
  });
});
