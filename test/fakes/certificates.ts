// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** PEM of a self-signed certificate that is valid from an hour before `notAfter` minus its lifetime. */
export async function selfSigned(
  name: string,
  { ca = true, notAfter = Date.now() + 3_600_000 }: { ca?: boolean; notAfter?: number } = {},
): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(notAfter - 7_200_000),
      notAfter: new Date(notAfter),
      extensions: [new BasicConstraintsExtension(ca, undefined, true)],
    },
    webcrypto,
  );
  return `${certificate.toString('pem').trim()}\n`;
}
