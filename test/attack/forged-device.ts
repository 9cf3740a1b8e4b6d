// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { buildCa, type Signer } from '../../src/issue/certificate.ts';
import { readCertificate } from '../../src/issue/certificate-reader.ts';
import { buildCrl } from '../../src/issue/crl.ts';
import { crlsIn, readCrl, type Crl } from '../../src/issue/crl-reader.ts';
import { crlPemOf, pemOf } from '../../src/issue/pem.ts';
import { validityFrom } from '../../src/issue/validity.ts';

/** A CA of the attacker's own. */
export interface Authority {
  readonly signer: Signer;
  /** PEM. */
  readonly certificate: string;
}

export function makeAuthority(): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer: Signer = {
    algorithm: 'EC-P256',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    sign: (message) => sign('sha256', message, privateKey),
  };
  const fields = { serial: Buffer.alloc(16, 1), validity: validityFrom(Date.now(), 86_400, 60_000) };
  const ca = buildCa(signer, { ...fields, trustDomain: 'edge.example.org', commonName: 'attacker' });
  return { signer, certificate: pemOf(ca) };
}

/** The first of a device's revocation lists. */
export function listOf(device: EdgeDevice): Crl {
  return readCrl(crlsIn(device.status?.revocation?.crl ?? '')[0]!);
}

/** What a device says of itself, with an authority more among its own. */
export function withAuthority({ status }: EdgeDevice, { certificate }: Authority): object {
  return { issuer: { ...status?.issuer, anchors: `${status?.issuer?.anchors ?? ''}${certificate}` } };
}

/** An empty list in the name of a device's CA, newer than its own: what that one has revoked would count again. PEM. */
export function forgedList(device: EdgeDevice, { signer }: Authority): string {
  const { authority, number } = listOf(device);
  const { subject } = readCertificate(new X509Certificate(device.status?.issuer?.anchors ?? '').raw);
  const times = { thisUpdate: Date.now(), nextUpdate: Date.now() + 86_400_000 };
  const fields = { number: number + 1_000, ...times, revoked: [] };
  return crlPemOf(buildCrl(signer, { name: subject, keyIdentifier: Buffer.from(authority, 'hex') }, fields));
}
