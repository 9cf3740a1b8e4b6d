// SPDX-License-Identifier: Apache-2.0

/** A certificate as PEM (RFC 7468): lines of 64 characters, a line feed at the end. */
export function pemOf(der: Buffer): string {
  return encoded(der, 'CERTIFICATE');
}

/** A certificate revocation list, likewise. */
export function crlPemOf(der: Buffer): string {
  return encoded(der, 'X509 CRL');
}

function encoded(der: Buffer, label: string): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
