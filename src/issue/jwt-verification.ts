// SPDX-License-Identifier: Apache-2.0
import { constants, createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { parseSpiffeId } from './spiffe-id.ts';

/** A public key as a SPIFFE bundle has it (SPIFFE Trust Domain and Bundle, section 4.2.3): a JWK with a `kid`. */
export interface VerificationKey extends JsonWebKey {
  readonly kid: string;
}

export interface TokenReading {
  /** Must be among the token's audiences. */
  readonly audience: string;
  /** Keys of a trust domain; undefined where the reader knows no such domain. */
  readonly keys: (trustDomain: string) => readonly VerificationKey[] | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

export interface ValidToken {
  readonly spiffeId: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

interface Algorithm {
  readonly keyType: 'ec' | 'rsa';
  readonly digest: 'sha256' | 'sha384' | 'sha512';
  readonly curve?: string;
  readonly pss?: true;
}

/** JWT-SVID, section 2.1: these and no others. */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  ES256: { keyType: 'ec', digest: 'sha256', curve: 'prime256v1' },
  ES384: { keyType: 'ec', digest: 'sha384', curve: 'secp384r1' },
  ES512: { keyType: 'ec', digest: 'sha512', curve: 'secp521r1' },
  RS256: { keyType: 'rsa', digest: 'sha256' },
  RS384: { keyType: 'rsa', digest: 'sha384' },
  RS512: { keyType: 'rsa', digest: 'sha512' },
  PS256: { keyType: 'rsa', digest: 'sha256', pss: true },
  PS384: { keyType: 'rsa', digest: 'sha384', pss: true },
  PS512: { keyType: 'rsa', digest: 'sha512', pss: true },
};

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_LENGTH = 16 * 1024;
/** Clocks of a fleet differ; go-spiffe allows as much. */
const LEEWAY_MS = 60_000;

/**
 * Validates a JWT-SVID (JWT-SVID, sections 4 and 5): form, algorithm, subject, signature by a key of the subject's trust
 * domain, time, audience. Throws InvalidRequest that names what is wrong.
 */
export function verifyJwtSvid(token: string, reading: TokenReading): ValidToken {
  const { header, claims, input, signature } = parse(token);
  const algorithm = algorithmOf(header);
  const spiffeId = subjectOf(claims);
  const key = keyFor(header, parseSpiffeId(spiffeId).trustDomain, reading);
  if (!isSigned(input, signature, key, algorithm)) throw wrong('signature', 'one that the key made', 'another');
  checkTimes(claims, reading.now);
  checkAudience(claims, reading.audience);
  return { spiffeId, claims };
}

type JsonObject = Readonly<Record<string, unknown>>;

function parse(token: string): { header: JsonObject; claims: JsonObject; input: Buffer; signature: Buffer } {
  if (token.length > MAX_TOKEN_LENGTH || !COMPACT.test(token)) {
    throw wrong('token', `three parts of base64url, at most ${MAX_TOKEN_LENGTH} characters`, `${token.length} others`);
  }
  const [header = '', payload = '', signature = ''] = token.split('.');
  return {
    header: jsonObject(header, 'header'),
    claims: jsonObject(payload, 'claims'),
    input: Buffer.from(`${header}.${payload}`, 'latin1'),
    signature: Buffer.from(signature, 'base64url'),
  };
}

function jsonObject(text: string, what: string): JsonObject {
  try {
    const value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Said below.
  }
  throw wrong(what, 'a JSON object', 'something else');
}

function algorithmOf({ alg, typ, crit }: JsonObject): Algorithm {
  const algorithm = typeof alg === 'string' && Object.hasOwn(ALGORITHMS, alg) ? ALGORITHMS[alg] : undefined;
  if (!algorithm) throw wrong('alg', Object.keys(ALGORITHMS).join(', '), JSON.stringify(alg));
  if (typ !== undefined && typ !== 'JWT' && typ !== 'JOSE') throw wrong('typ', 'JWT or JOSE', JSON.stringify(typ));
  if (crit !== undefined) throw wrong('crit', 'no critical extensions', JSON.stringify(crit));
  return algorithm;
}

function subjectOf({ sub }: JsonObject): string {
  if (typeof sub !== 'string') throw wrong('sub', 'a SPIFFE ID', JSON.stringify(sub));
  try {
    parseSpiffeId(sub);
  } catch (thrown) {
    throw new KeysteadError('InvalidRequest', `JWT-SVID: sub: ${asKeysteadError(thrown).message}`);
  }
  return sub;
}

function keyFor({ kid }: JsonObject, trustDomain: string, { keys }: TokenReading): KeyObject {
  if (typeof kid !== 'string') throw wrong('kid', 'the name of a key', JSON.stringify(kid));
  const known = keys(trustDomain);
  if (!known) throw wrong('sub', 'a trust domain whose bundle is known here', trustDomain);
  const found = known.find((key) => key.kid === kid);
  if (!found) throw wrong('kid', `a key of ${trustDomain}`, JSON.stringify(kid.slice(0, 80)));
  return keyObject(found);
}

/** Keys are read once for as long as the bundle holds them. */
const objects = new WeakMap<VerificationKey, KeyObject>();

function keyObject(key: VerificationKey): KeyObject {
  const known = objects.get(key);
  if (known) return known;
  const made = createPublicKey({ key, format: 'jwk' });
  objects.set(key, made);
  return made;
}

function isSigned(input: Buffer, signature: Buffer, key: KeyObject, algorithm: Algorithm): boolean {
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType !== algorithm.keyType) throw wrong('alg', `one for ${asymmetricKeyType} keys`, 'another');
  if (algorithm.curve !== undefined && asymmetricKeyDetails?.namedCurve !== algorithm.curve) {
    throw wrong('alg', `one for the curve ${asymmetricKeyDetails?.namedCurve}`, 'another');
  }
  if (algorithm.keyType === 'ec') {
    return verify(algorithm.digest, input, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }
  const padding = algorithm.pss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return verify(algorithm.digest, input, { key, padding, ...(algorithm.pss && { saltLength }) }, signature);
}

function checkTimes({ exp, nbf }: JsonObject, now: number): void {
  if (typeof exp !== 'number') throw wrong('exp', 'a time', JSON.stringify(exp));
  if (exp * 1000 + LEEWAY_MS < now) throw wrong('exp', 'a time to come', new Date(exp * 1000).toISOString());
  if (nbf === undefined) return;
  if (typeof nbf !== 'number') throw wrong('nbf', 'a time', JSON.stringify(nbf));
  if (nbf * 1000 - LEEWAY_MS > now) throw wrong('nbf', 'a time past', new Date(nbf * 1000).toISOString());
}

function checkAudience({ aud }: JsonObject, audience: string): void {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (audiences.includes(audience)) return;
  throw wrong('aud', JSON.stringify(audience), JSON.stringify(audiences).slice(0, 200));
}

function wrong(field: string, expected: string, found: string | undefined): KeysteadError {
  return new KeysteadError('InvalidRequest', `JWT-SVID: ${field}: expected ${expected}, found ${found ?? 'nothing'}`);
}
