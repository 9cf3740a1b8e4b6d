// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { generateKeyPairSync, sign, webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  type JsonGeneralName,
} from '@peculiar/x509';
import { readCertificationRequest } from '../../../src/issue/certification-request.ts';
import { buildCertificationRequest } from '../../../src/issue/certification-request-writer.ts';
import { SPIFFE_ID } from './samples.ts';

const DNS_NAME = 'press.factory.svc';

function ours(): { der: Buffer; publicKey: Buffer } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const der = buildCertificationRequest({
    publicKey,
    spiffeId: SPIFFE_ID,
    dnsNames: [DNS_NAME],
    sign: (message) => sign('sha256', message, pair.privateKey),
  });
  return { der, publicKey };
}

/** A request made with another library. */
async function foreign(
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
  hash: string,
  names?: JsonGeneralName[],
): Promise<Buffer> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: 'CN=press, O=Factory',
      keys,
      signingAlgorithm: { name: algorithm.name, hash },
      extensions: names ? [new SubjectAlternativeNameExtension(names)] : [],
    },
    webcrypto,
  );
  return Buffer.from(request.rawData);
}

const EC = { name: 'ECDSA', namedCurve: 'P-256' };
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: 'SHA-256',
};

describe('a certification request', () => {
  it('gives key and names that it was built from, and another library reads the same', async () => {
    const { der, publicKey } = ours();
    expect(readCertificationRequest(der)).toEqual({ publicKey, uris: [SPIFFE_ID], dnsNames: [DNS_NAME] });
    const read = new Pkcs10CertificateRequest(der);
    expect(await read.verify(webcrypto as never)).toBe(true);
    expect(Buffer.from(read.publicKey.rawData)).toEqual(publicKey);
  });

  it.each([
    ['EC', EC, 'SHA-256'],
    ['EC with SHA-512', EC, 'SHA-512'],
    ['RSA', RSA, 'SHA-256'],
  ])('of another library is read: %s', async (_, algorithm, hash) => {
    const der = await foreign(algorithm, hash, [{ type: 'dns', value: DNS_NAME }]);
    expect(readCertificationRequest(der)).toMatchObject({ uris: [], dnsNames: [DNS_NAME] });
  });

  it('without names asks for none', async () => {
    expect(readCertificationRequest(await foreign(EC, 'SHA-256'))).toMatchObject({ uris: [], dnsNames: [] });
  });

  it.each([
    ['signed with SHA-1', () => foreign(EC, 'SHA-1'), 'SHA-256, SHA-384 or SHA-512'],
    [
      'with a mail address among its names',
      () => foreign(EC, 'SHA-256', [{ type: 'email', value: 'a@b' }]),
      'GeneralName',
    ],
    ['that is empty', () => Promise.resolve(Buffer.alloc(0)), 'tag 0x30'],
    ['that is too long', () => Promise.resolve(Buffer.alloc(9000, 0x30)), 'at most 8192 bytes'],
    ['with bytes behind it', () => Promise.resolve(Buffer.concat([ours().der, Buffer.of(0)])), 'nothing after it'],
  ])('%s is refused', async (_, make, message) => {
    const der = await make();
    expect(() => readCertificationRequest(der)).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', message: expect.stringContaining(message) }),
    );
  });

  it('with a weak key is refused', async () => {
    const der = await foreign({ ...RSA, modulusLength: 1024 }, 'SHA-256');
    expect(() => readCertificationRequest(der)).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
  });

  it("with another module's public key in it is refused: the signature is not that key's", () => {
    const mine = ours();
    const victim = ours();
    const der = Buffer.from(mine.der);
    victim.publicKey.copy(der, der.indexOf(mine.publicKey));
    expect(() => readCertificationRequest(der)).toThrow(
      expect.objectContaining({ message: expect.stringContaining('does not verify') }),
    );
  });

  it('with any one bit turned gives an error or what it gave before, and never crashes', () => {
    const { der } = ours();
    const before = readCertificationRequest(der);
    for (let bit = 0; bit < der.length * 8; bit += 3) {
      const harmed = Buffer.from(der);
      harmed[bit >> 3]! ^= 1 << (bit & 7);
      try {
        expect(readCertificationRequest(harmed)).toEqual(before);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: expect.stringMatching(/^(InvalidRequest|ProfileViolation)$/) });
      }
    }
  });
});
