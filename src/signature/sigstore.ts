// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { PolicyError, toSignedEntity, toTrustMaterial, Verifier, type TrustMaterial } from '@sigstore/verify';
import { KeysteadError } from '../errors.ts';
import type { Signers } from '../attest/port.ts';
import type { ReadBundle } from './sigstore-bundle.ts';

/** Reads a Sigstore trusted root (`trusted_root.json`). Throws InvalidConfiguration. */
export function trustMaterialOf(json: string): TrustMaterial {
  try {
    return toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(json)));
  } catch (cause) {
    const message = `signatures.trustedRoot: expected the JSON of a Sigstore trusted root, found something else: ${String(cause)}`;
    throw new KeysteadError('InvalidConfiguration', message, { cause });
  }
}

/**
 * Which of the identities signed; undefined where it is another one. Throws where certificate, log entry or signature do
 * not hold. The entry in the transparency log is what proves that the certificate was valid when it signed.
 */
export function verifyByIdentity(
  { bundle, artifact }: ReadBundle,
  identities: Signers['identities'],
  trust: TrustMaterial,
): string | undefined {
  const withoutSct = trust.ctlogs.length === 0;
  const verifier = new Verifier(trust, { tlogThreshold: 1, ctlogThreshold: withoutSct ? 0 : 1 });
  const entity = toSignedEntity(bundle, artifact);
  for (const { issuer, subject } of identities) {
    try {
      verifier.verify(entity, { subjectAlternativeName: exactly(subject), extensions: { issuer } });
      return `${subject} (${issuer})`;
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
    }
  }
  return undefined;
}

/** Which of the keys signed a bundle that names no certificate. Its hint is not relied on. */
export function verifyByKey({ bundle }: ReadBundle, keys: Signers['keys']): string | undefined {
  const entity = toSignedEntity(bundle);
  const key = keys.find(({ publicKey }) => entity.signature.verifySignature(createPublicKey(publicKey)));
  return key && `key ${key.name}`;
}

/** The library takes a pattern. */
function exactly(subject: string): string {
  return `^${subject.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
}
