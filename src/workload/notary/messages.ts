// SPDX-License-Identifier: Apache-2.0
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { X509Certificate } from 'node:crypto';
import {
  Residency,
  type GetEvidenceResponseSchema,
  type IssueCertificateResponseSchema,
  type PublicKeySchema,
  type WatchResponseSchema,
} from '../../gen/keystead/notary/v1alpha1/notary_pb.js';
import type { KeyEvidence } from '../../notary/attestation-port.ts';
import type { IssuedCertificate } from '../../notary/port.ts';
import type { IdentityTerms } from '../port.ts';
import { visibleBundles, type Trusting } from '../spiffe/bundles.ts';
import { currentLeaves, type Leaf } from '../spiffe/leaf.ts';
import { certificateList } from '../spiffe/pem-to-der.ts';
import { keyIdOf } from './key-id.ts';

type PublicKey = MessageInitShape<typeof PublicKeySchema>;
type GetEvidenceResponse = MessageInitShape<typeof GetEvidenceResponseSchema>;
type WatchResponse = MessageInitShape<typeof WatchResponseSchema>;
type IssueCertificateResponse = MessageInitShape<typeof IssueCertificateResponseSchema>;

/** Of a statement that `keystead verify-key` reads. */
export const EVIDENCE_FORMAT = 'keystead.dev/key-evidence/v1';

/** What one answer of Watch is made of. */
export interface Watched extends Trusting {
  readonly first: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly terms: (identity: string) => IdentityTerms | undefined;
}

/** The identities that have not expired, the socket's own first, and the bundles that they may see. */
export function watchResponse({ first, now, ...trusting }: Watched): WatchResponse {
  const bundles = [...visibleBundles(trusting)].map(
    ([id, { anchors }]) => [id, { certificates: certificateList(anchors) }] as const,
  );
  return {
    identities: currentLeaves(trusting.served, first, now).map((leaf) => identityMessage(leaf, trusting.terms)),
    trustAnchors: Object.fromEntries(bundles),
  };
}

function identityMessage(leaf: Leaf, terms: Watched['terms']): NonNullable<WatchResponse['identities']>[number] {
  const { sign, encrypt, issue } = terms(leaf.identity)?.notary ?? {};
  return {
    name: leaf.identity,
    spiffeId: leaf.spiffeId,
    chain: certificateList(leaf.credentials.chain),
    notAfter: timestampFromMs(leaf.notAfter),
    key: publicKeyMessage(leaf),
    maySign: sign === true,
    mayEncrypt: encrypt === true,
    mayIssue: issue === true,
  };
}

export function publicKeyMessage({ credentials: { chain, heldKey, privateKey } }: Leaf): PublicKey {
  return {
    publicKey: new X509Certificate(chain).publicKey.export({ type: 'spki', format: 'der' }),
    residency: privateKey === undefined ? Residency.HARDWARE : Residency.MEMORY,
    ...(heldKey && { keyId: keyIdOf(heldKey.name), keyUri: heldKey.uri }),
  };
}

/** Evidence in short, and whole for whoever verifies it. */
export function evidenceMessage(leaf: Leaf, evidence: KeyEvidence): GetEvidenceResponse {
  const { kind, label, serial, manufacturer, model } = evidence.token;
  return {
    key: publicKeyMessage(leaf),
    attributes: evidence.key.attributes,
    token: { kind, label, serial, manufacturer, model },
    statements: [{ format: EVIDENCE_FORMAT, content: Buffer.from(JSON.stringify(evidence)) }],
  };
}

export function issuedMessage({ chain, serial, notBefore, notAfter }: IssuedCertificate): IssueCertificateResponse {
  return {
    chain: [...chain],
    serial,
    notBefore: timestampFromMs(notBefore),
    notAfter: timestampFromMs(notAfter),
  };
}
