// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, sign } from 'node:crypto';
import { buildCa, buildLeaf, type Signer } from '../../../src/issue/certificate.ts';
import { readCertificate, subjectKeyIdentifierOf } from '../../../src/issue/certificate-reader.ts';
import type { Profile } from '../../../src/issue/profile.ts';
import { randomSerial } from '../../../src/issue/serial.ts';
import { SIGNATURE_ALGORITHMS } from '../../../src/issue/signature-algorithm.ts';
import { CA_BACKDATE_MS, LEAF_BACKDATE_MS, validityFrom } from '../../../src/issue/validity.ts';
import type { KeyAlgorithm } from '../../../src/notary/root-of-trust/port.ts';

export const TRUST_DOMAIN = 'edge.example';
export const SPIFFE_ID = `spiffe://${TRUST_DOMAIN}/ns/factory/module/press`;

/** A signer with a key in memory. */
export function memorySigner(algorithm: KeyAlgorithm): Signer {
  const [kind, size] = algorithm.split('-') as ['EC' | 'RSA', string];
  const pair =
    kind === 'EC'
      ? generateKeyPairSync('ec', { namedCurve: `P-${size.slice(1)}` })
      : generateKeyPairSync('rsa', { modulusLength: Number(size) });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const { digest } = SIGNATURE_ALGORITHMS[algorithm];
  return { algorithm, publicKey, sign: (message) => sign(digest, message, pair.privateKey) };
}

/** SubjectPublicKeyInfo of a fresh key on a curve. */
export function freshPublicKey(namedCurve = 'P-256'): Buffer {
  return generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' });
}

export interface SampleChain {
  readonly ca: Buffer;
  readonly leaf: Buffer;
  readonly signer: Signer;
  readonly leafPublicKey: Buffer;
}

/** A CA and a leaf under it, made now. */
export function sampleChain(algorithm: KeyAlgorithm = 'EC-P256', now = Date.now()): SampleChain {
  const signer = memorySigner(algorithm);
  const ca = buildCa(signer, {
    serial: randomSerial(),
    validity: validityFrom(now, 86_400, CA_BACKDATE_MS),
    trustDomain: TRUST_DOMAIN,
    commonName: 'node-1',
  });
  const { subject, ...issuer } = readCertificate(ca);
  const keyIdentifier = subjectKeyIdentifierOf({ subject, ...issuer })!;
  const leafPublicKey = freshPublicKey();
  const leaf = buildLeaf(
    signer,
    { name: subject, keyIdentifier },
    {
      serial: randomSerial(),
      validity: validityFrom(now, 3600, LEAF_BACKDATE_MS),
      spiffeId: SPIFFE_ID,
      dnsNames: ['press.factory.svc', 'press.factory'],
      publicKey: leafPublicKey,
    },
  );
  return { ca, leaf, signer, leafPublicKey };
}

/** A profile whose issuer lives for a day around `now`. */
export function sampleProfile(now: number): Profile {
  return {
    trustDomain: TRUST_DOMAIN,
    maxLeafSeconds: 3600,
    issuer: { notBefore: now - 86_400_000, notAfter: now + 86_400_000 },
    isOwnKey: () => false,
  };
}
