// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import {
  findExtension,
  isCa,
  readCertificate,
  serialHex,
  subjectAltNames,
} from '../../../src/issue/certificate-reader.ts';
import { OID } from '../../../src/issue/object-identifiers.ts';
import { keyIdentifier } from '../../../src/issue/public-key.ts';
import { sampleChain, SPIFFE_ID, TRUST_DOMAIN } from './samples.ts';

describe.each(['EC-P256', 'EC-P384', 'RSA-2048'] as const)('certificates signed with %s', (algorithm) => {
  const { ca, leaf, signer, leafPublicKey } = sampleChain(algorithm);
  const [caCertificate, leafCertificate] = [new X509Certificate(ca), new X509Certificate(leaf)];

  it('the CA is self-signed and signs the leaf, says node:crypto', () => {
    expect(caCertificate.verify(caCertificate.publicKey)).toBe(true);
    expect(leafCertificate.verify(caCertificate.publicKey)).toBe(true);
    expect(leafCertificate.checkIssued(caCertificate)).toBe(true);
    expect(leafCertificate.verify(leafCertificate.publicKey)).toBe(false);
  });

  it('the leaf holds the key asked for and the CA that of the signer', () => {
    expect(leafCertificate.publicKey.export({ type: 'spki', format: 'der' })).toEqual(leafPublicKey);
    expect(caCertificate.publicKey.export({ type: 'spki', format: 'der' })).toEqual(signer.publicKey);
  });

  it('@peculiar/x509 reads the same fields and verifies the signature', async () => {
    const foreign = new x509.X509Certificate(leaf);
    const own = readCertificate(leaf);
    expect(foreign.serialNumber.padStart(32, '0')).toBe(serialHex(own.serial));
    expect(foreign.notAfter.getTime()).toBe(own.validity.notAfter);
    expect(foreign.subject).toBe('');
    const issuer = new x509.X509Certificate(ca);
    expect(await foreign.verify({ publicKey: issuer.publicKey, signatureOnly: true })).toBe(true);
  });
});

describe('the leaf', () => {
  const { ca, leaf, leafPublicKey } = sampleChain();
  const read = readCertificate(leaf);
  const foreign = new x509.X509Certificate(leaf);

  it('names the module in one URI, and its DNS names', () => {
    expect(subjectAltNames(read)).toEqual({ uris: [SPIFFE_ID], dnsNames: ['press.factory.svc', 'press.factory'] });
  });

  it('has an empty subject and therefore a critical SAN', () => {
    expect(read.subject).toEqual(Buffer.of(0x30, 0));
    expect(findExtension(read, OID.subjectAltName)?.critical).toBe(true);
  });

  it('is no CA, critically', () => {
    expect(isCa(read)).toBe(false);
    expect(foreign.getExtension(x509.BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
  });

  it('may sign handshakes as client and server, nothing else', () => {
    const usages = foreign.getExtension(x509.KeyUsagesExtension);
    expect(usages).toMatchObject({ critical: true, usages: x509.KeyUsageFlags.digitalSignature });
    const extended = foreign.getExtension(x509.ExtendedKeyUsageExtension);
    expect(extended?.usages).toEqual([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]);
  });

  it("names its own key and its issuer's", () => {
    const issuerKey = readCertificate(ca).publicKey;
    const own = foreign.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
    expect(own).toBe(keyIdentifier(leafPublicKey).toString('hex'));
    const authority = foreign.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
    expect(authority).toBe(keyIdentifier(issuerKey).toString('hex'));
  });

  it('has a serial of its own of 128 bits', () => {
    const other = readCertificate(sampleChain().leaf);
    expect(serialHex(read.serial)).toMatch(/^[0-9a-f]{32}$/);
    expect(serialHex(other.serial)).not.toBe(serialHex(read.serial));
  });
});

describe('the CA', () => {
  const { ca } = sampleChain();
  const foreign = new x509.X509Certificate(ca);

  it('is a CA for leaves only, critically', () => {
    expect(isCa(readCertificate(ca))).toBe(true);
    expect(foreign.getExtension(x509.BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    });
  });

  it('may sign certificates and revocation lists, nothing else', () => {
    const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
    expect(foreign.getExtension(x509.KeyUsagesExtension)?.usages).toBe(keyCertSign | cRLSign);
  });

  it('names its trust domain and its node', () => {
    expect(subjectAltNames(readCertificate(ca)).uris).toEqual([`spiffe://${TRUST_DOMAIN}`]);
    expect(foreign.subject).toBe('CN=node-1');
  });
});
