// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { readCertificate, subjectKeyIdentifierOf } from '../../../src/issue/certificate-reader.ts';
import { buildCrl } from '../../../src/issue/crl.ts';
import { crlsIn, readCrl } from '../../../src/issue/crl-reader.ts';
import { crlPemOf, pemOf } from '../../../src/issue/pem.ts';
import { deviceCrls, joinedCrls } from '../../../src/trust/revocation-lists.ts';
import { sampleChain, type SampleChain } from '../issue/samples.ts';

const NOW = Date.UTC(2026, 10, 27, 12);
const [first, second] = [sampleChain(), sampleChain()];

/** A list signed with one node's key in the name of another's CA, or in its own. */
function list(signedBy: SampleChain, inNameOf: SampleChain, number: number, serials: readonly string[] = []): string {
  const certificate = readCertificate(inNameOf.ca);
  const issuer = { name: certificate.subject, keyIdentifier: subjectKeyIdentifierOf(certificate)! };
  const revoked = serials.map((serial) => ({ serial, revokedAt: NOW, reason: 'privilegeWithdrawn' as const }));
  const times = { thisUpdate: NOW, nextUpdate: NOW + 86_400_000 };
  return crlPemOf(buildCrl(signedBy.signer, issuer, { number, ...times, revoked }));
}

const device = (chain: SampleChain, crl: string, anchors = pemOf(chain.ca)): EdgeDevice =>
  ({ status: { issuer: { anchors }, revocation: { crl } } }) as unknown as EdgeDevice;

const numbers = (pem: string): number[] => crlsIn(pem).map((der) => readCrl(der).number);

describe('the lists of several devices', () => {
  it('are joined: of each CA the newest', () => {
    const lists = [list(first, first, 3), list(second, second, 1), list(first, first, 2)];
    expect(numbers(joinedCrls(...lists)).sort()).toEqual([1, 3]);
  });

  it('are taken from a device as far as they are its own', () => {
    const own = list(second, second, 1);
    expect(deviceCrls(device(second, own + list(first, first, 9)))).toBe(own);
    expect(deviceCrls(device(second, 'garbage'))).toBe('');
  });

  it('do not let a device stand in the place of another, though it signs that one’s name with its own key', () => {
    const honest = device(first, list(first, first, 3, ['0'.repeat(31) + '1']));
    const forged = list(second, first, 1_000);
    // Nor where it has the other one's CA among its own.
    for (const anchors of [pemOf(second.ca), pemOf(second.ca) + pemOf(first.ca)]) {
      const joined = joinedCrls(deviceCrls(honest), deviceCrls(device(second, forged, anchors)));
      expect(numbers(joined)).toEqual([3]);
    }
  });
});
