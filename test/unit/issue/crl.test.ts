// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import { buildCrl, type RevokedCertificate } from '../../../src/issue/crl.ts';
import { readCrl } from '../../../src/issue/crl-reader.ts';
import { readCertificate, serialHex, subjectKeyIdentifierOf } from '../../../src/issue/certificate-reader.ts';
import { sampleChain } from './samples.ts';

const NOW = Date.UTC(2026, 10, 27, 12);
const WEEK = 7 * 86_400_000;

function sampleList(algorithm: 'EC-P256' | 'EC-P384' | 'RSA-2048', reason?: RevokedCertificate['reason']) {
  const { ca, leaf, signer } = sampleChain(algorithm);
  const certificate = readCertificate(ca);
  const issuer = { name: certificate.subject, keyIdentifier: subjectKeyIdentifierOf(certificate)! };
  const serial = serialHex(readCertificate(leaf).serial);
  const revoked = reason === undefined ? [] : [{ serial, revokedAt: NOW, reason }];
  const der = buildCrl(signer, issuer, { number: 41, thisUpdate: NOW, nextUpdate: NOW + WEEK, revoked });
  return {
    der,
    crl: new x509.X509Crl(der),
    ca: new x509.X509Certificate(ca),
    leaf: new x509.X509Certificate(leaf),
    serial,
  };
}

describe.each(['EC-P256', 'EC-P384', 'RSA-2048'] as const)('a revocation list signed with %s', (algorithm) => {
  it('is read and verified by @peculiar/x509, which finds the certificate on it', async () => {
    const { crl, ca, leaf, serial } = sampleList(algorithm, 'privilegeWithdrawn');
    expect(await crl.verify({ publicKey: ca.publicKey })).toBe(true);
    expect(crl.issuer).toBe(ca.subject);
    expect([crl.thisUpdate.getTime(), crl.nextUpdate?.getTime()]).toEqual([NOW, NOW + WEEK]);
    const entry = crl.findRevoked(leaf);
    expect(entry).toMatchObject({ reason: x509.X509CrlReason.privilegeWithdrawn });
    expect(entry?.serialNumber.padStart(32, '0')).toBe(serial);
    expect(entry?.revocationDate.getTime()).toBe(NOW);
  });
});

describe('a revocation list', () => {
  it.each(['privilegeWithdrawn', 'cessationOfOperation'] as const)('is read back with when and why: %s', (reason) => {
    const { der, serial } = sampleList('EC-P256', reason);
    expect(readCrl(der)).toMatchObject({ serials: [serial], entries: [{ serial, revokedAt: NOW, reason }] });
  });

  it('may be empty, and then finds nothing', async () => {
    const { crl, ca, leaf } = sampleList('EC-P256');
    expect(await crl.verify({ publicKey: ca.publicKey })).toBe(true);
    expect(crl.entries).toHaveLength(0);
    expect(crl.findRevoked(leaf)).toBeNull();
  });

  it('does not verify with the key of another CA', async () => {
    const { crl } = sampleList('EC-P256', 'keyCompromise');
    expect(await crl.verify({ publicKey: sampleList('EC-P256').ca.publicKey })).toBe(false);
  });

  it('names the key of its CA and has a number', () => {
    const { crl, ca } = sampleList('EC-P256', 'cessationOfOperation');
    const identifier = ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
    expect(crl.extensions.map(({ type, critical }) => [type, critical])).toEqual([
      ['2.5.29.35', false],
      ['2.5.29.20', false],
    ]);
    expect(Buffer.from(crl.extensions[0]!.value).toString('hex')).toContain(identifier);
    expect(Buffer.from(crl.extensions[1]!.value).toString('hex')).toBe('020129');
  });
});
