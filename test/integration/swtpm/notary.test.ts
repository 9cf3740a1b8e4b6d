// SPDX-License-Identifier: Apache-2.0
import { randomBytes, verify, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { keyStatements } from '../../../src/integrity/key-statements.ts';
import type { NotaryConfiguration } from '../../../src/notary/port.ts';
import type { TpmChoice } from '../../../src/notary/root-of-trust/choice.ts';
import { changeHierarchyAuth } from '../../../src/notary/root-of-trust/tpm/hierarchy.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { makeCredential } from '../../../src/tpm/credential.ts';
import { nameOf, parsePublic } from '../../../src/tpm/public-area.ts';
import { freshLeaf } from '../softhsm/requests.ts';
import { NotaryProcess } from '../softhsm/notary-process.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);
requireTools();

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A software TPM on a unix socket, and a notary whose sandbox lets it open no other. */
async function started(): Promise<{ soft: SoftTpm; notary: NotaryProcess }> {
  const soft = await SoftTpm.started({ unix: true });
  const notary = new NotaryProcess({ folder: soft.folder, environment: {} });
  cleanups.push(async () => {
    notary.client.close();
    await notary.stop('SIGKILL');
    await soft.remove();
  });
  notary.start();
  return { soft, notary };
}

function configuration(soft: SoftTpm, change: Partial<TpmChoice> = {}): NotaryConfiguration {
  return {
    trustDomain: 'edge.example',
    node: 'node-1',
    rootOfTrust: { tpm: { socket: soft.socketPath, storageHandle: 0x81000001, ...change } },
    issuer: { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
    tokens: { keyLifetimeSeconds: 86_400, maxSeconds: 3600 },
  };
}

describe('the notary on a TPM', () => {
  it('issues certificates and tokens, signs with module keys and hub keys, and goes on after a reboot', async () => {
    const { soft, notary } = await started();
    const { client } = notary;
    const status = await client.configure(configuration(soft));
    expect(status).toMatchObject({
      ready: true,
      token: { kind: 'TPM', label: '0x81000001' },
      issuer: { algorithm: 'EC-P256', sensitive: true, extractable: false },
    });
    expect(status.issuer!.keyUri).toMatch(/^tpm:parent=0x81000001;object=/);
    const { request } = freshLeaf();
    const certificate = new X509Certificate((await client.issue(request)).chain[0]!);
    expect(certificate.verify(new X509Certificate(status.issuer!.chain).publicKey)).toBe(true);
    const { spiffeId, requester, dnsNames, lifetimeSeconds } = request;
    const token = await client.issueToken({ spiffeId, audiences: ['hub'], lifetimeSeconds: 60, requester });
    expect(token.token.split('.')).toHaveLength(3);
    const key = { identityUid: '0c1d', generation: 1 };
    const held = await client.issueForKey({ key, spiffeId, dnsNames, lifetimeSeconds, requester });
    const message = Buffer.from('the message');
    const { signature } = await client.signWithKey({ key, requester, message });
    const publicKey = { key: held.publicKey, format: 'der', type: 'spki' } as const;
    expect(verify('sha256', message, publicKey, signature)).toBe(true);
    const module = { namespace: 'plant', moduleId: 'press', generationId: 'g' };
    const hubSign = { module, keyId: 'primary', source: 'Derived', data: message, requester } as const;
    const mac = await client.hubSign(hubSign);
    await notary.stop();
    await soft.restart();
    notary.start();
    expect((await client.status()).issuer).toEqual(status.issuer);
    expect(await client.hubSign(hubSign)).toEqual(mac);
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('proves what the machine booted, with its keys in use before and after', async () => {
    const { soft, notary } = await started();
    const { client } = notary;
    const boot = { measuredBoot: { applicationPcr: 23 } };
    expect(await client.configure({ ...configuration(soft), ...boot })).toMatchObject({ ready: true });
    const { request } = freshLeaf();
    const key = { identityUid: '0c1d', generation: 1 };
    await client.obtainKey({ key, requester: request.requester });
    for (let round = 0; round < 3; round++) {
      await client.issue(freshLeaf().request);
      await client.signWithKey({ key, requester: request.requester, message: Buffer.from('of the module') });
      const keys = await client.attesterKeys();
      const name = nameOf(keys.attestationKey, TPM_ALG.sha256);
      const { blob, encryptedSecret } = makeCredential(parsePublic(keys.endorsementKey), name, Buffer.from('secret'));
      expect(await client.activateCredential({ blob, encryptedSecret })).toEqual(Buffer.from('secret'));
      expect((await client.quote({ nonce: randomBytes(20), pcrs: [0, 23] })).pcrs).toHaveLength(2);
    }
  });

  it("proves where a module's key is to whoever asks with a nonce, and a changed proof is refuted", async () => {
    const { soft, notary } = await started();
    const { client } = notary;
    await client.configure({ ...configuration(soft), measuredBoot: { applicationPcr: 23 } });
    const { request } = freshLeaf();
    const { spiffeId, requester, dnsNames, lifetimeSeconds } = request;
    const [key, other] = [1, 2].map((generation) => ({ identityUid: '0c1d', generation }));
    const { publicKey } = await client.issueForKey({ key: key!, spiffeId, dnsNames, lifetimeSeconds, requester });
    await client.issueForKey({ key: other!, spiffeId, dnsNames, lifetimeSeconds, requester });
    const nonce = randomBytes(32);
    const evidence = await client.keyEvidence({ key: key!, requester, nonce });
    const { attestationKey } = await client.attesterKeys();
    const known = { publicKey, nonce, attestationKey: nameOf(attestationKey, TPM_ALG.sha256).toString('hex'), now: 0 };
    const proven = keyStatements(evidence, known);
    expect(proven[0]).toEqual({ level: 'Proven', text: expect.stringMatching(/^the key was made in the TPM/) });
    expect(proven.slice(1, 3).map(({ level }) => level)).toEqual(['Proven', 'Proven']);
    expect(proven.map(({ text }) => text)).toContain('the evidence is about the key that you gave');
    const of = await client.keyEvidence({ key: other!, requester, nonce });
    const swapped = { ...evidence, key: of.key };
    expect(keyStatements(swapped, known)[0]).toEqual({
      level: 'Refuted',
      text: 'KeyMismatch: the evidence is about another key',
    });
    expect(keyStatements(evidence, { ...known, nonce: randomBytes(32) })[1]).toMatchObject({ level: 'Refuted' });
    const gone = client.keyEvidence({ key: { identityUid: '0c1d', generation: 3 }, requester, nonce });
    await expect(gone).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('goes on by itself when the TPM went away and came back', async () => {
    const { soft, notary } = await started();
    const { client } = notary;
    const { issuer } = await client.configure(configuration(soft));
    await soft.stop();
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ retryable: true });
    await soft.start();
    for (let attempt = 0; ; attempt++) {
      const issued = await client.issue(freshLeaf().request).catch((error: unknown) => error);
      if (!(issued instanceof Error)) break;
      expect(issued).toMatchObject({ retryable: true });
      if (attempt === 400) throw issued;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await client.status()).issuer).toEqual(issuer);
  });

  it('needs the authorisation of an owned TPM, and takes it from a file', async () => {
    const { soft, notary } = await started();
    const { client } = notary;
    const tpm = soft.open();
    const auth = 'the owner of this TPM';
    changeHierarchyAuth(tpm, tpm.owner, Buffer.from(auth));
    tpm.close();
    const ownerAuthFile = soft.path('owner');
    const refused = await client.configure(configuration(soft));
    expect(refused).toMatchObject({ ready: false });
    expect(refused.message).toContain('authorisation');
    writeFileSync(ownerAuthFile, `${auth}\n`);
    expect(await client.configure(configuration(soft, { ownerAuthFile }))).toMatchObject({ ready: true });
  });

  it('says that the device cannot be opened, and what to do', async () => {
    const { soft, notary } = await started();
    const tpm = { device: '/dev/no-tpm', storageHandle: 0x81000001 };
    const there = { ...configuration(soft), rootOfTrust: { tpm } };
    const status = await notary.client.configure(there);
    expect(status).toMatchObject({ ready: false, reason: 'TokenAbsent' });
    expect(status.message).toContain('/dev/no-tpm: ENOENT; set the chart value tpm.device');
  });
});
