// SPDX-License-Identifier: Apache-2.0
import type { KeyAlgorithm } from '../notary/root-of-trust/port.ts';
import { NULL, sequence } from './der.ts';
import { OID } from './object-identifiers.ts';

/** How keys of one algorithm sign: the AlgorithmIdentifier in the certificate and the digest under it. */
export interface SignatureAlgorithm {
  readonly identifier: Buffer;
  readonly digest: 'sha256' | 'sha384';
}

const ECDSA_SHA256: SignatureAlgorithm = { identifier: sequence(OID.ecdsaWithSha256), digest: 'sha256' };
const ECDSA_SHA384: SignatureAlgorithm = { identifier: sequence(OID.ecdsaWithSha384), digest: 'sha384' };
/** RFC 4055 section 5: the parameters are NULL, not absent. */
const RSA_SHA256: SignatureAlgorithm = { identifier: sequence(OID.sha256WithRsaEncryption, NULL), digest: 'sha256' };

export const SIGNATURE_ALGORITHMS: Readonly<Record<KeyAlgorithm, SignatureAlgorithm>> = {
  'EC-P256': ECDSA_SHA256,
  'EC-P384': ECDSA_SHA384,
  'RSA-2048': RSA_SHA256,
  'RSA-3072': RSA_SHA256,
  'RSA-4096': RSA_SHA256,
};
