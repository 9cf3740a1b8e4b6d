// SPDX-License-Identifier: Apache-2.0

/** A certificate as PEM (RFC 7468): lines of 64 characters, a line feed at the end. */
export function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
