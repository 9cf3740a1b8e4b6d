// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto';
import type { TrustMaterial } from '@sigstore/verify';
import type { Digest, SignatureEvidence, Signers } from '../attest/port.ts';
import type { FoundSignature, SignedImage } from './port.ts';
import { verifyByIdentity, verifyByKey } from './sigstore.ts';
import { bundleOfSimpleSigning, readBundle } from './sigstore-bundle.ts';
import { digestOfPayload } from './simple-signing.ts';

/**
 * Judges signatures: one over the image's index or manifest by a key or identity of the signers is enough. Pure but for
 * the cryptography. `trust` is the Sigstore instance whose certificates count; without it identities cannot be verified.
 */
export function verifyImage(
  image: SignedImage,
  found: readonly FoundSignature[],
  signers: Signers,
  trust: TrustMaterial | undefined,
): SignatureEvidence {
  const digests = [image.index, image.manifest].filter((digest) => digest !== undefined);
  const problems = new Set<string>();
  for (const signature of found) {
    try {
      const by = signerOf(signature, digests, signers, trust);
      if (by !== undefined) return { verified: true, message: `${digests[0]} is signed by ${by}` };
      problems.add('signed by nobody who is allowed');
    } catch (error) {
      problems.add(error instanceof Error ? error.message : String(error));
    }
  }
  const what = found.length === 0 ? 'no signature' : `${found.length} signatures (${[...problems].join('; ')})`;
  return { verified: false, message: `${what} for ${digests.join(' or ') || 'an image of unknown digest'}` };
}

function signerOf(
  found: FoundSignature,
  digests: readonly Digest[],
  signers: Signers,
  trust: TrustMaterial | undefined,
): string | undefined {
  if (found.format === 'Bundle') return signerOfBundle(found.bundle, digests, signers, trust);
  requireOneOf(digests, [digestOfPayload(found.payload)]);
  const key = signers.keys.find(({ publicKey }) => isSignature(found, createPublicKey(publicKey)));
  if (key) return `key ${key.name}`;
  if (signers.identities.length === 0 || found.logEntry === '') return undefined;
  return verifyByIdentity(bundleOfSimpleSigning(found), signers.identities, required(trust));
}

function signerOfBundle(
  json: unknown,
  digests: readonly Digest[],
  signers: Signers,
  trust: TrustMaterial | undefined,
): string | undefined {
  const read = readBundle(json);
  requireOneOf(digests, read.digests);
  if (read.bundle.verificationMaterial.content.$case === 'publicKey') return verifyByKey(read, signers.keys);
  if (signers.identities.length === 0) return undefined;
  return verifyByIdentity(read, signers.identities, required(trust));
}

function requireOneOf(digests: readonly Digest[], signed: readonly (Digest | undefined)[]): void {
  if (signed.some((digest) => digest !== undefined && digests.includes(digest))) return;
  throw new TypeError(`signed is ${signed.map((digest) => digest ?? 'something else').join(', ') || 'nothing'}`);
}

function required(trust: TrustMaterial | undefined): TrustMaterial {
  if (trust) return trust;
  throw new TypeError(
    'there is no trusted root by which to verify an identity: set signatures.trustedRoot of the chart',
  );
}

/** ECDSA with the digest that cosign uses for all curves, RSA PKCS #1 v1.5 and Ed25519. */
function isSignature({ payload, signature }: { payload: Buffer; signature: Buffer }, key: KeyObject): boolean {
  const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return verifySignature(algorithm, payload, key, signature);
}
