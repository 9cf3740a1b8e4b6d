// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createPublicKey, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createAttestationKey } from '../../../src/notary/root-of-trust/tpm/attestation-key.ts';
import { handles } from '../../../src/notary/root-of-trust/tpm/capability.ts';
import { TPM_ALG, TPM_HT } from '../../../src/tpm/constants.ts';
import { activateCredential } from '../../../src/notary/root-of-trust/tpm/credential.ts';
import { makeCredential } from '../../../src/tpm/credential.ts';
import { checkCertificateKey, ENDORSEMENT_KINDS } from '../../../src/tpm/endorsement-key.ts';
import { endorsementCertificate, withEndorsementKey } from '../../../src/notary/root-of-trust/tpm/endorsement-key.ts';
import { load } from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { nameOf, parsePublic, publicKeyInfo } from '../../../src/tpm/public-area.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import { storagePrimary } from '../../../src/notary/root-of-trust/tpm/storage-primary.ts';
import { sized } from '../../../src/tpm/writer.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);

let soft: SoftTpm;

beforeAll(() => requireTools());
beforeAll(async () => {
  soft = await SoftTpm.started();
});
afterAll(async () => soft.remove());

const BANK = TPM_ALG.sha256;
const KINDS = [
  ['RSA-2048', 'rsa'],
  ['EC-P256', 'ecc'],
] as const;

/** Content of a file that tpm2-tools wrote as a TPM2B. */
function tpm2b(name: string): Buffer {
  const reader = new TpmReader(readFileSync(soft.path(name)), name);
  const content = reader.sized();
  reader.end();
  return content;
}

describe.each(KINDS)('an endorsement key of %s', (algorithm, tool) => {
  it('is byte for byte the one of tpm2_createek', () => {
    soft.tool('tpm2_createek', '-c', `ek-${tool}.ctx`, '-G', tool, '-u', `ek-${tool}.pub`, '-f', 'tss');
    const ours = withEndorsementKey(soft.open(), algorithm, (key) => key.publicArea);
    expect(ours.toString('hex')).toBe(tpm2b(`ek-${tool}.pub`).toString('hex'));
  });

  it('is taken from its reserved handle where it is persistent, and not when another key lies there', () => {
    const { handle } = ENDORSEMENT_KINDS[algorithm];
    const expected = tpm2b(`ek-${tool}.pub`);
    const used = (): { handle: number; publicArea: Buffer } =>
      withEndorsementKey(soft.open(), algorithm, ({ handle, publicArea }) => ({ handle, publicArea }));
    const hex = `0x${handle.toString(16)}`;
    soft.tool('tpm2_evictcontrol', '-C', 'o', '-c', `ek-${tool}.ctx`, hex);
    expect(used()).toEqual({ handle, publicArea: expected });
    soft.tool('tpm2_evictcontrol', '-C', 'o', '-c', hex);
    soft.tool('tpm2_createprimary', '-C', 'o', '-G', 'ecc', '-c', 'stranger.ctx');
    soft.tool('tpm2_evictcontrol', '-C', 'o', '-c', 'stranger.ctx', hex);
    expect(used()).toMatchObject({ publicArea: expected });
    expect(used().handle).toBeGreaterThanOrEqual(0x80000000);
    soft.tool('tpm2_evictcontrol', '-C', 'o', '-c', hex);
  });

  it('has its certificate in NV, which is checked against the key', () => {
    expect(endorsementCertificate(soft.open(), algorithm)).toBeUndefined();
    const area = parsePublic(tpm2b(`ek-${tool}.pub`));
    const other = parsePublic(tpm2b('ek-rsa.pub'));
    writeFileSync(
      soft.path('ek.pem'),
      createPublicKey({ key: publicKeyInfo(area), format: 'der', type: 'spki' }).export({
        format: 'pem',
        type: 'spki',
      }),
    );
    const openssl = (...args: string[]): string =>
      execFileSync('openssl', args, { cwd: soft.folder, encoding: 'utf8', stdio: 'pipe' });
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'maker.key',
      '-out',
      'maker.pem',
      '-subj',
      '/CN=Maker',
    );
    openssl('req', '-new', '-key', 'maker.key', '-subj', '/CN=EK', '-out', 'ek.csr');
    openssl(
      'x509',
      '-req',
      '-in',
      'ek.csr',
      '-CA',
      'maker.pem',
      '-CAkey',
      'maker.key',
      '-force_pubkey',
      'ek.pem',
      '-outform',
      'DER',
      '-out',
      'ek.der',
    );
    const certificate = readFileSync(soft.path('ek.der'));
    // Makers pad.
    writeFileSync(soft.path('padded'), Buffer.concat([certificate, Buffer.alloc(300, 0xff)]));
    const index = `0x${ENDORSEMENT_KINDS[algorithm].certificateIndex.toString(16)}`;
    soft.tool(
      'tpm2_nvdefine',
      index,
      '-C',
      'o',
      '-s',
      String(certificate.length + 300),
      '-a',
      'ownerwrite|ownerread|authread',
    );
    soft.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'padded');
    const found = endorsementCertificate(soft.open(), algorithm)!;
    expect(found).toEqual(certificate);
    checkCertificateKey(found, area);
    if (tool === 'ecc')
      expect(() => checkCertificateKey(found, other)).toThrow(expect.objectContaining({ code: 'KeyUnfit' }));
    expect(() => checkCertificateKey(Buffer.from('30030101ff', 'hex'), area)).toThrow('found none');
  });

  it('opens a credential made by tpm2_makecredential', () => {
    const tpm = soft.open();
    const blob = createAttestationKey(tpm, storagePrimary(tpm));
    const name = nameOf(blob.publicArea, TPM_ALG.sha256);
    const secret = randomBytes(24);
    writeFileSync(soft.path('secret'), secret);
    soft.tool(
      'tpm2_makecredential',
      '-u',
      `ek-${tool}.pub`,
      '-s',
      'secret',
      '-n',
      name.toString('hex'),
      '-o',
      'theirs.cred',
    );
    const reader = new TpmReader(readFileSync(soft.path('theirs.cred')), 'credential file');
    expect([reader.u32(), reader.u32()]).toEqual([0xbadcc0de, 1]);
    const credential = { blob: reader.sized(), encryptedSecret: reader.sized() };
    const again = soft.open();
    const activated = again.withTransient(load(again, storagePrimary(again), blob), (ak) =>
      withEndorsementKey(again, algorithm, (ek) => activateCredential(again, ak, ek, credential)),
    );
    expect(activated).toEqual(secret);
    expect(handles(again, TPM_HT.transient)).toEqual([]);
    expect(handles(again, TPM_HT.policySession)).toEqual([]);
  });

  it('opens a credential of ours with tpm2_activatecredential', () => {
    soft.tool(
      'tpm2_createak',
      '-C',
      `ek-${tool}.ctx`,
      '-c',
      'ak.ctx',
      '-G',
      'ecc',
      '-g',
      'sha256',
      '-s',
      'ecdsa',
      '-u',
      'ak.pub',
      '-n',
      'ak.name',
    );
    const secret = randomBytes(32);
    const { blob, encryptedSecret } = makeCredential(
      parsePublic(tpm2b(`ek-${tool}.pub`)),
      readFileSync(soft.path('ak.name')),
      secret,
    );
    const header = Buffer.from('badcc0de00000001', 'hex');
    writeFileSync(soft.path('ours.cred'), Buffer.concat([header, sized(blob), sized(encryptedSecret)]));
    soft.tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
    soft.tool('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e');
    soft.tool(
      'tpm2_activatecredential',
      '-c',
      'ak.ctx',
      '-C',
      `ek-${tool}.ctx`,
      '-i',
      'ours.cred',
      '-o',
      'activated',
      '-P',
      'session:session.ctx',
    );
    expect(readFileSync(soft.path('activated'))).toEqual(secret);
  });

  it('refuses a credential for another key, and leaks nothing', () => {
    const tpm = soft.open();
    const parent = storagePrimary(tpm);
    const [blob, other] = [createAttestationKey(tpm, parent), createAttestationKey(tpm, parent)];
    const ekArea = parsePublic(tpm2b(`ek-${tool}.pub`));
    const credential = makeCredential(ekArea, nameOf(other.publicArea, BANK), Buffer.from('secret'));
    const activate = (): Buffer =>
      tpm.withTransient(load(tpm, parent, blob), (ak) =>
        withEndorsementKey(tpm, algorithm, (ek) => activateCredential(tpm, ak, ek, credential)),
      );
    for (let count = 0; count < 5; count++) expect(activate).toThrow(expect.objectContaining({ code: 'KeyUnfit' }));
    expect(handles(tpm, TPM_HT.transient)).toEqual([]);
    expect(handles(tpm, TPM_HT.policySession)).toEqual([]);
  });
});
