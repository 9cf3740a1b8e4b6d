// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { handles } from '../../../src/notary/root-of-trust/tpm/capability.ts';
import { verifyResidency } from '../../../src/tpm/verify-residency.ts';
import { TPM_HT } from '../../../src/tpm/constants.ts';
import { create, load, signDigest, findPublic } from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { evict, persist, replacePersistent } from '../../../src/notary/root-of-trust/tpm/persistent.ts';
import { keyTemplate } from '../../../src/notary/root-of-trust/tpm/key-template.ts';
import { encodePublic, publicKeyInfo } from '../../../src/tpm/public-area.ts';
import { TpmRoot } from '../../../src/notary/root-of-trust/tpm/root.ts';
import { storagePrimary } from '../../../src/notary/root-of-trust/tpm/storage-primary.ts';
import type { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);

let soft: SoftTpm;
let folder: string;

beforeAll(() => requireTools());
beforeAll(async () => {
  soft = await SoftTpm.started();
  folder = soft.path('keys');
  mkdirSync(folder);
});
afterAll(async () => soft.remove());

const newRoot = (tpm: Tpm = soft.open()): TpmRoot => new TpmRoot({ tpm, folder });

function opensslVerifies(name: string, publicKey: Buffer, signature: Buffer, digest: string): void {
  writeFileSync(soft.path(`${name}.der`), publicKey);
  writeFileSync(soft.path(`${name}.sig`), signature);
  const key = ['-keyform', 'DER', '-verify', `${name}.der`, '-signature', `${name}.sig`];
  const output = execFileSync('openssl', ['dgst', `-${digest}`, ...key, 'message'], {
    cwd: soft.folder,
    encoding: 'utf8',
  });
  expect(output).toContain('Verified OK');
}

function leaks(tpm: Tpm): { transient: number[]; hmac: number[]; policy: number[] } {
  const [transient, hmac, policy] = [TPM_HT.transient, TPM_HT.hmacSession, TPM_HT.policySession].map((kind) =>
    handles(tpm, kind),
  );
  return { transient: transient!, hmac: hmac!, policy: policy! };
}

describe('a TPM as root of trust', () => {
  it.each([
    ['EC-P256', 'sha256'],
    ['EC-P384', 'sha384'],
    ['RSA-2048', 'sha256'],
  ] as const)(
    'makes a key of %s that signs, also after a restart, and openssl verifies it',
    async (algorithm, digest) => {
      const message = Buffer.from('the message');
      writeFileSync(soft.path('message'), message);
      const key = newRoot().generate(`ca ${algorithm}`, algorithm);
      expect(key).toMatchObject({ algorithm, uri: `tpm:parent=0x81000001;object=ca%20${algorithm}` });
      expect(key.attributes).toEqual({ sensitive: true, extractable: false, neverExtractable: true, local: true });
      opensslVerifies(`before-${algorithm}`, key.publicKey, key.sign(message), digest);
      await soft.restart();
      const again = newRoot().find(`ca ${algorithm}`)!;
      expect(again.publicKey).toEqual(key.publicKey);
      opensslVerifies(`after-${algorithm}`, again.publicKey, again.sign(message), digest);
    },
  );

  it('describes the TPM, lists and destroys keys', () => {
    const root = newRoot();
    expect(root.token).toMatchObject({ kind: 'TPM', label: '0x81000001', manufacturer: 'IBM' });
    expect(root.token.model).toContain('SW');
    root.generate('b', 'EC-P256');
    root.generate('a', 'EC-P256');
    expect(root.labels()).toEqual(expect.arrayContaining(['a', 'b']));
    const key = root.find('b')!;
    root.destroy('b');
    root.destroy('b');
    expect(root.find('b')).toBeUndefined();
    expect(() => key.sign(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'NotFound' }));
    expect(() => root.generate('a', 'EC-P256')).toThrow('already');
    expect(() => root.generate('c', 'RSA-4096')).toThrow(expect.objectContaining({ code: 'MechanismMissing' }));
  });

  it('refuses a blob under the name of another key, a changed one and a cut one', () => {
    const root = newRoot();
    const files = new Set(readdirSync(folder));
    root.generate('victim', 'EC-P256');
    const victim = readdirSync(folder).find((name) => !files.has(name))!;
    files.add(victim);
    root.generate('other', 'EC-P256');
    const other = readdirSync(folder).find((name) => !files.has(name))!;
    const original = readFileSync(join(folder, victim), 'utf8');
    const fields = JSON.parse(readFileSync(join(folder, other), 'utf8')) as Record<string, string>;
    const refused = (content: string): void => {
      writeFileSync(join(folder, victim), content);
      expect(() => newRoot().find('victim')).toThrow(expect.objectContaining({ code: 'KeyUnfit' }));
    };
    refused(JSON.stringify(fields));
    refused(JSON.stringify({ ...fields, label: 'victim' }));
    refused(JSON.stringify({ ...(JSON.parse(original) as object), publicArea: fields['publicArea'] }));
    refused(original.slice(0, 100));
    writeFileSync(join(folder, victim), original);
    expect(newRoot().find('victim')).toBeDefined();
  });

  it('leaks neither objects nor sessions in fifty operations, also failing ones', () => {
    const tpm = soft.open();
    const root = newRoot(tpm);
    const labels = ['one', 'two', 'three', 'four', 'five'];
    for (const label of labels) root.generate(label, 'EC-P256');
    for (let count = 0; count < 50; count++) {
      const key = root.find(labels[count % labels.length]!)!;
      expect(key.sign(Buffer.from(`message ${count}`)).length).toBeGreaterThan(60);
      expect(() =>
        tpm.withTransient({ handle: 0x80000002, name: Buffer.alloc(0) }, () => root.generate('one', 'EC-P256')),
      ).toThrow();
      expect(leaks(tpm).transient.length).toBeLessThanOrEqual(1);
    }
    expect(leaks(tpm)).toMatchObject({ hmac: [expect.any(Number)], policy: [] });
    root.close();
    expect(leaks(soft.open({ exclusive: false }))).toEqual({ transient: [], hmac: [], policy: [] });
  });

  it('goes on after the TPM was restarted behind it, and after its objects and sessions were flushed by others', async () => {
    const tpm = soft.open();
    const root = newRoot(tpm);
    const key = root.find('one')!;
    const message = Buffer.from('x');
    key.sign(message);
    for (const kind of [TPM_HT.transient, TPM_HT.hmacSession])
      for (const handle of handles(tpm, kind)) tpm.flush(handle);
    expect(key.sign(message).length).toBeGreaterThan(60);
    await soft.stop();
    expect(() => key.sign(message)).toThrow(expect.objectContaining({ code: 'Unavailable' }));
    expect(() => key.sign(message)).toThrow(expect.objectContaining({ code: 'TokenAbsent', retryable: true }));
    await soft.start();
    expect(key.sign(message).length).toBeGreaterThan(60);
  });

  it('is proven to hold a key by certification, verified without a TPM', () => {
    const tpm = soft.open();
    const root = newRoot(tpm);
    const nonce = Buffer.from('a nonce of the challenger');
    const key = root.find('one')!;
    const evidence = root.certify('one', nonce);
    const octets = (text: string): Buffer => Buffer.from(text, 'base64');
    const signed = ({ attest, signature }: { attest: string; signature: string }) => ({
      attest: octets(attest),
      signature: octets(signature),
    });
    const [presence, creation] = [signed(evidence.presence), signed(evidence.creation)];
    const attestationKey = octets(evidence.attestationKey);
    const expected = { attestationKey, nonce, publicArea: octets(evidence.publicArea) };
    expect(verifyResidency(presence, expected)).toEqual(key.publicKey);
    expect(verifyResidency(creation, expected)).toEqual(key.publicKey);
    expect(() => verifyResidency(presence, { ...expected, nonce: Buffer.from('another') })).toThrow('NonceMismatch');
    expect(() => verifyResidency(presence, { ...expected, publicArea: attestationKey })).toThrow('KeyMismatch');
  });

  it('says so when the TPM was cleared', () => {
    newRoot().generate('lost', 'EC-P256');
    soft.tool('tpm2_clear');
    expect(() => newRoot().find('lost')).toThrow(expect.objectContaining({ code: 'KeyUnfit' }));
    expect(() => newRoot().find('lost')).toThrow(/cleared or exchanged/);
  });
});

describe('a persistent object', () => {
  const newKey = (tpm: Tpm, label: string) => {
    const parent = storagePrimary(tpm);
    return { parent, blob: create(tpm, parent, encodePublic(keyTemplate(label, 'EC-P256', false))) };
  };

  it('is not given up when its replacement does not work, and is replaced when it does', () => {
    const tpm = soft.open();
    const [handle, spare] = [0x81010010, 0x81010011];
    const digest = Buffer.alloc(32, 1);
    const first = newKey(tpm, 'first');
    tpm.withTransient(load(tpm, first.parent, first.blob), (object) => persist(tpm, object, handle));
    const old = findPublic(tpm, handle)!;
    const second = newKey(tpm, 'second');
    const replace = (prove: () => void) =>
      tpm.withTransient(load(tpm, second.parent, second.blob), (object) =>
        replacePersistent(tpm, { object, handle, spare, prove }),
      );
    expect(() =>
      replace(() => {
        throw new Error('does not work');
      }),
    ).toThrow('does not work');
    expect(findPublic(tpm, handle)!.name).toEqual(old.name);
    expect(signDigest(tpm, old, digest).octets.length).toBeGreaterThan(60);
    const kept = replace(() => undefined);
    expect(kept.handle).toBe(handle);
    expect(publicKeyInfo(findPublic(tpm, handle)!.area)).not.toEqual(publicKeyInfo(old.area));
    expect(findPublic(tpm, spare)).toBeUndefined();
    expect(replace(() => undefined).handle).toBe(handle);
    expect(() => evict(tpm, 0x80000000)).toThrow(expect.objectContaining({ code: 'InvalidConfiguration' }));
    evict(tpm, handle);
    expect(handles(tpm, TPM_HT.persistent)).toEqual([0x81000001]);
    expect(leaks(tpm).transient).toEqual([]);
  });
});
