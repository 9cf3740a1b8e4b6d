// SPDX-License-Identifier: Apache-2.0
import { HttpFailure } from './http-failure.ts';

type Body = Readonly<Record<string, unknown>>;

export type KeyId = 'primary' | 'secondary';

/** As SDKs write it: HMACSHA256, HmacSHA256, HMAC-SHA256. */
const HMAC_SHA256 = /^hmac-?sha-?256$/i;

/** A member of the body that must be there. Throws HttpFailure 422 as for any JSON that does not fit. */
export function text(body: Body, name: string): string {
  const value = body[name];
  if (typeof value === 'string') return value;
  if (value === undefined) throw new HttpFailure(422, `missing field \`${name}\``);
  throw new HttpFailure(422, `invalid type of field \`${name}\`: expected a string`);
}

/** Bytes from standard base64 (RFC 4648 section 4) in its canonical form. Throws HttpFailure 422, or 400 otherwise. */
export function bytes(body: Body, name: string): Buffer {
  const encoded = text(body, name);
  const value = Buffer.from(encoded, 'base64');
  if (value.toString('base64') === encoded) return value;
  throw new HttpFailure(400, `invalid parameter: ${name}: expected base64 with padding (RFC 4648 section 4)`);
}

/** Which of the module's two keys; the first where none is named. Throws HttpFailure 400 for others. */
export function keyId(body: Body): KeyId {
  const value = body['keyId'] === undefined ? 'primary' : text(body, 'keyId').toLowerCase();
  if (value === 'primary' || value === 'secondary') return value;
  throw new HttpFailure(400, `invalid parameter: keyId: expected primary or secondary, found ${shown(value)}`);
}

/** Throws HttpFailure 400 for any other algorithm than HMAC-SHA256, the only one that the API has. */
export function requireAlgorithm(body: Body): void {
  const value = body['algo'] === undefined ? 'HMACSHA256' : text(body, 'algo');
  if (HMAC_SHA256.test(value)) return;
  throw new HttpFailure(400, `invalid parameter: algo: expected HMACSHA256, found ${shown(value)}`);
}

function shown(value: string): string {
  return JSON.stringify(value.slice(0, 40));
}
