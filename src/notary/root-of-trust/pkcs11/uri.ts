// SPDX-License-Identifier: Apache-2.0

/** What a `pkcs11:` URI of a key names. Never a PIN. */
export interface KeyUriFields {
  readonly token: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly object: string;
  readonly id: Buffer;
  readonly type: 'private' | 'public' | 'secret-key';
}

/** `pkcs11:` URI of a key on a token (RFC 7512). */
export function keyUri(fields: KeyUriFields): string {
  const attributes = [
    `token=${encoded(fields.token)}`,
    `manufacturer=${encoded(fields.manufacturer)}`,
    `model=${encoded(fields.model)}`,
    `serial=${encoded(fields.serial)}`,
    `object=${encoded(fields.object)}`,
    // RFC 7512 2.3: the id should be percent-encoded throughout.
    `id=${[...fields.id].map(percent).join('')}`,
    `type=${fields.type}`,
  ];
  return `pkcs11:${attributes.join(';')}`;
}

/** RFC 7512 `pk11-pchar`: unreserved and pk11-res-avail stay as they are; `/`, `?`, `;`, `%` and all else are encoded. */
const PLAIN = /[A-Za-z0-9\-._~:[\]@!$'()*+,=&]/;

function encoded(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((octet) => {
      const character = String.fromCharCode(octet);
      return PLAIN.test(character) ? character : percent(octet);
    })
    .join('');
}

function percent(octet: number): string {
  return `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
}
