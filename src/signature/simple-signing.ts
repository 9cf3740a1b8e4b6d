// SPDX-License-Identifier: Apache-2.0
import type { Digest } from '../attest/port.ts';
import { readDigest } from './digest.ts';
import type { FoundSignature } from './port.ts';

/** Media type and annotations of cosign's signature specification (SIGNATURE_SPEC.md in sigstore/cosign). */
const MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const SIGNATURE = 'dev.cosignproject.cosign/signature';
const CERTIFICATE = 'dev.sigstore.cosign/certificate';
const CHAIN = 'dev.sigstore.cosign/chain';
const LOG_ENTRY = 'dev.sigstore.cosign/bundle';
const PAYLOAD_TYPES = ['cosign container image signature', 'https://sigstore.dev/cosign/sign/v1'];

/** One image carries a handful; whoever may push could attach any number. */
const MAX_SIGNATURES = 32;

/** A layer of a signature manifest whose blob is the payload. */
export interface SignatureLayer {
  readonly payload: Digest;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The signatures that a manifest lists; other layers are passed over. */
export function signatureLayers(manifest: unknown): SignatureLayer[] {
  const layers = isRecord(manifest) && Array.isArray(manifest['layers']) ? manifest['layers'] : [];
  return layers
    .filter(isRecord)
    .filter((layer) => layer['mediaType'] === MEDIA_TYPE)
    .slice(0, MAX_SIGNATURES)
    .flatMap((layer) => {
      const payload = readDigest(layer['digest']);
      const annotations = strings(layer['annotations']);
      return payload === undefined || annotations[SIGNATURE] === undefined ? [] : [{ payload, annotations }];
    });
}

/** A signature from its payload and the annotations of its layer. */
export function simpleSignature(payload: Buffer, annotations: Readonly<Record<string, string>>): FoundSignature {
  return {
    format: 'SimpleSigning',
    payload,
    signature: Buffer.from(annotations[SIGNATURE] ?? '', 'base64'),
    certificates: `${annotations[CERTIFICATE] ?? ''}\n${annotations[CHAIN] ?? ''}`,
    logEntry: annotations[LOG_ENTRY] ?? '',
  };
}

/** The digest that a payload says it is about; undefined where it is no such payload. */
export function digestOfPayload(payload: Buffer): Digest | undefined {
  const critical = member(parse(payload), 'critical');
  if (!PAYLOAD_TYPES.includes(String(member(critical, 'type')))) return undefined;
  const digest = member(member(critical, 'image'), 'docker-manifest-digest');
  return readDigest(digest);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function strings(value: unknown): Record<string, string> {
  const entries = Object.entries(isRecord(value) ? value : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
