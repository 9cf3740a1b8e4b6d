// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from 'node:crypto';
import { bundleFromJSON, type Bundle } from '@sigstore/bundle';
import type { Digest } from '../attest/port.ts';
import type { FoundSignature } from './port.ts';

/** A bundle with what it signs: the digests of its in-toto subjects, or the bytes of a payload. */
export interface ReadBundle {
  readonly bundle: Bundle;
  readonly digests: readonly Digest[];
  /** Signed bytes, for a bundle with a bare signature. */
  readonly artifact?: Buffer;
}

const IN_TOTO = 'application/vnd.in-toto+json';
/** What `cosign sign` states of an image. */
const SIGNED = 'https://sigstore.dev/cosign/sign/v1';

/**
 * Reads a Sigstore bundle whose content is an in-toto statement that images are signed. Throws where it is something else:
 * who signs what a scanner found in an image, or how it was built, does not say that it may run.
 */
export function readBundle(json: unknown): ReadBundle {
  const bundle = bundleFromJSON(json);
  if (bundle.content.$case !== 'dsseEnvelope' || bundle.content.dsseEnvelope.payloadType !== IN_TOTO) {
    throw new TypeError('the bundle holds no in-toto statement');
  }
  const statement = JSON.parse(bundle.content.dsseEnvelope.payload.toString('utf8')) as {
    readonly subject?: readonly { readonly digest?: { readonly sha256?: unknown } }[];
    readonly predicateType?: unknown;
  };
  requireSigned(statement.predicateType);
  const digests = (statement.subject ?? []).map(({ digest }) => `sha256:${String(digest?.sha256)}`);
  return { bundle, digests };
}

function requireSigned(predicateType: unknown): void {
  if (predicateType === SIGNED) return;
  const found = typeof predicateType === 'string' ? predicateType.slice(0, 120) : 'none';
  const remedy = 'an attestation about an image is no signature of it: sign the image with cosign sign';
  throw new TypeError(`expected predicate type ${SIGNED}, found ${found}; ${remedy}`);
}

/** The transparency log's answer as cosign keeps it in an annotation. */
interface LogEntry {
  readonly SignedEntryTimestamp: string;
  readonly Payload: {
    readonly body: string;
    readonly integratedTime: number;
    readonly logIndex: number;
    readonly logID: string;
  };
}

/** cosign's first format as a bundle, so that one library verifies certificate, log entry and signature of both. */
export function bundleOfSimpleSigning(found: Extract<FoundSignature, { format: 'SimpleSigning' }>): ReadBundle {
  const certificates = found.certificates.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const { SignedEntryTimestamp, Payload } = JSON.parse(found.logEntry) as LogEntry;
  const { body, integratedTime, logIndex, logID } = Payload;
  const entry = JSON.parse(Buffer.from(body, 'base64').toString('utf8')) as { kind: string; apiVersion: string };
  const bundle = bundleFromJSON({
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    verificationMaterial: {
      x509CertificateChain: {
        // The chain's upper part comes from the trusted root, never from the signature.
        certificates: certificates
          .slice(0, 1)
          .map((pem) => ({ rawBytes: new X509Certificate(pem).raw.toString('base64') })),
      },
      tlogEntries: [
        {
          logIndex: String(logIndex),
          logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
          kindVersion: { kind: entry.kind, version: entry.apiVersion },
          integratedTime: String(integratedTime),
          inclusionPromise: { signedEntryTimestamp: SignedEntryTimestamp },
          canonicalizedBody: body,
        },
      ],
    },
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: createHash('sha256').update(found.payload).digest('base64') },
      signature: found.signature.toString('base64'),
    },
  });
  return { bundle, digests: [], artifact: found.payload };
}
