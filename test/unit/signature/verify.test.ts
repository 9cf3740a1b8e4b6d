// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import type { Signers } from '../../../src/attest/port.ts';
import type { FoundSignature } from '../../../src/signature/port.ts';
import { trustMaterialOf } from '../../../src/signature/sigstore.ts';
import { verifyImage } from '../../../src/signature/verify.ts';
import { bundleByKey, ecKey, IMAGE, MANIFEST, payloadFor, pem, signedByKey, sigstoreInstance } from './signers.ts';

const release = ecKey();
const stranger = ecKey();
const policy: Signers = { keys: [{ name: 'release', publicKey: pem(release) }], identities: [] };
const judge = (...found: FoundSignature[]) => verifyImage(IMAGE, found, policy, undefined);

describe('signatures by key', () => {
  test.each([
    ['P-256', release],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ])('a payload for the index that an allowed %s key signed is verified', (_name, key) => {
    const allowed = { keys: [{ name: 'release', publicKey: pem(key) }], identities: [] };
    const verdict = verifyImage(IMAGE, [signedByKey(key)], allowed, undefined);
    expect(verdict).toEqual({ verified: true, message: `${IMAGE.index} is signed by key release` });
  });

  test('a payload for the manifest of this platform is verified too', () => {
    expect(judge(signedByKey(release, payloadFor(MANIFEST)))).toMatchObject({ verified: true });
  });

  test('one that counts is enough among others', () => {
    expect(judge(signedByKey(stranger), signedByKey(release))).toMatchObject({ verified: true });
  });

  test('an in-toto bundle is verified by the key, whatever its hint says', () => {
    expect(judge(bundleByKey(release))).toMatchObject({ verified: true });
    expect(judge(bundleByKey(stranger))).toMatchObject({ verified: false });
    expect(judge(bundleByKey(release, `sha256:${'9'.repeat(64)}`)).message).toContain('signed is sha256:999');
  });

  test.each([
    'https://slsa.dev/provenance/v1',
    'https://spdx.dev/Document',
    'https://cosign.sigstore.dev/attestation/vuln/v1',
    'https://sigstore.dev/cosign/sign/v1/other',
    '',
  ])('an attestation by the key with predicate type "%s" is no signature; one beside it counts', (predicateType) => {
    const attestation = bundleByKey(release, IMAGE.index, predicateType);
    const verdict = judge(attestation);
    expect(verdict.verified).toBe(false);
    expect(verdict.message).toContain(`found ${predicateType}; an attestation about an image is no signature of it`);
    expect(verdict.message).toContain('sign the image with cosign sign');
    expect(judge(attestation, bundleByKey(release)).verified).toBe(true);
  });

  test.each([
    ['no signature', [], 'no signature for'],
    ["another's key", [signedByKey(stranger)], 'signed by nobody who is allowed'],
    ['another image', [signedByKey(release, payloadFor(`sha256:${'9'.repeat(64)}`))], 'signed is sha256:999'],
    ['another kind of payload', [signedByKey(release, payloadFor(IMAGE.index, 'blob'))], 'signed is something else'],
    ['a payload that is no JSON', [signedByKey(release, Buffer.from('hello'))], 'signed is something else'],
    ['a changed payload', [{ ...signedByKey(release), payload: payloadFor(MANIFEST) }], 'signed by nobody'],
    ['no signature value', [{ ...signedByKey(release), signature: Buffer.alloc(0) }], 'signed by nobody'],
    ['a bundle that is none', [{ format: 'Bundle' as const, bundle: { hello: 1 } }], '1 signatures ('],
  ])('%s is not verified, and the message says what was found', (_name, found, message) => {
    const verdict = judge(...found);
    expect(verdict.verified).toBe(false);
    expect(verdict.message).toContain(message);
  });
});

describe('signatures by identity', () => {
  const issuer = 'https://accounts.example.org';
  const subject = 'https://example.org/release.yml@refs/heads/main';
  const wanted: Signers = { keys: [], identities: [{ issuer, subject }] };

  test('a certificate of the trusted instance for the identity, with its log entry, is verified', async () => {
    const { trustedRoot, signedBy } = await sigstoreInstance();
    const trust = trustMaterialOf(trustedRoot);
    const found = await signedBy(subject, issuer);
    expect(verifyImage(IMAGE, [found], wanted, trust)).toEqual({
      verified: true,
      message: `${IMAGE.index} is signed by ${subject} (${issuer})`,
    });
    expect(verifyImage(IMAGE, [{ ...found, logEntry: '' }], wanted, trust).verified).toBe(false);
    expect(verifyImage(IMAGE, [found], wanted, undefined).message).toContain('there is no trusted root');
  });

  test('another subject, another issuer, another instance and another image are not', async () => {
    const { trustedRoot, signedBy } = await sigstoreInstance();
    const trust = trustMaterialOf(trustedRoot);
    const other = await sigstoreInstance();
    const refused = [
      await signedBy(`${subject}-fork`, issuer),
      await signedBy(subject, 'https://evil.example.org'),
      await other.signedBy(subject, issuer),
      await signedBy(subject, issuer, `sha256:${'9'.repeat(64)}`),
    ];
    for (const found of refused) expect(verifyImage(IMAGE, [found], wanted, trust).verified).toBe(false);
    expect(verifyImage(IMAGE, [...refused, await signedBy(subject, issuer)], wanted, trust).verified).toBe(true);
  });

  test('a trusted root that is none is refused with what is expected', () => {
    expect(() => trustMaterialOf('{')).toThrow('expected the JSON of a Sigstore trusted root');
  });
});
