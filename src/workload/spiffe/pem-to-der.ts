// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';

/** DER of every certificate in a PEM text, one behind the other: how the Workload API carries chains and bundles. */
export function certificatesDer(pem: string): Uint8Array {
  return Buffer.concat(blocks(pem, 'CERTIFICATE'));
}

/** DER of each certificate in a PEM text. */
export function certificateList(pem: string): Uint8Array[] {
  return blocks(pem, 'CERTIFICATE');
}

/** DER of the one PKCS#8 private key in a PEM text. */
export function privateKeyDer(pem: string): Uint8Array {
  const [key, ...more] = blocks(pem, 'PRIVATE KEY');
  if (key === undefined || more.length > 0) throw new KeysteadError('Internal', 'expected one PKCS#8 private key');
  return key;
}

function blocks(pem: string, label: 'CERTIFICATE' | 'PRIVATE KEY'): Buffer[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`, 'g');
  return [...pem.matchAll(pattern)].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
}
