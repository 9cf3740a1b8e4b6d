// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { Fields } from '../../fields.ts';
import type { HeldKind, KeyAlgorithm, SecretOrigin } from '../port.ts';
import { MAX_SEALED_BYTES } from './vault.ts';

/** A software key as it lies in the state folder. Its secret part is sealed, and bound to all the rest. */
export interface KeyFile {
  readonly label: string;
  readonly kind: HeldKind;
  readonly origin: SecretOrigin;
  /** Of a key pair. */
  readonly algorithm?: KeyAlgorithm;
  /** SubjectPublicKeyInfo, DER; of a key pair. */
  readonly publicKey?: Buffer;
  /** PKCS#8 of a key pair, the value of other keys; sealed. */
  readonly sealed: Buffer;
}

const FORMAT = 1;
const KINDS = ['KeyPair', 'Secret', 'Cipher'] as const;
const ORIGINS = ['Generated', 'Imported'] as const;
const ALGORITHMS = ['EC-P256', 'EC-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const;
const MAX_LABEL_CHARACTERS = 1024;
const MAX_PUBLIC_KEY_BYTES = 1024;

/** Name of the document; labels are any text and a digest of one is a safe file name. */
export function nameOf(kind: HeldKind, label: string): string {
  return `${kind.toLowerCase()}-${createHash('sha256').update(label).digest('hex').slice(0, 40)}`;
}

/** What the secret part is bound to: no file can be put in another's place, or be given another public half. */
export function contextOf({ label, kind, origin, algorithm, publicKey }: Omit<KeyFile, 'sealed'>): Buffer {
  return Buffer.from(JSON.stringify([FORMAT, kind, label, origin, algorithm, publicKey?.toString('base64')]));
}

export function encodeKeyFile({ publicKey, sealed, ...rest }: KeyFile): unknown {
  const half = publicKey && { publicKey: publicKey.toString('base64') };
  return { format: FORMAT, ...rest, ...half, sealed: sealed.toString('base64') };
}

/** Throws KeyUnfit where the document is no such file. */
export function decodeKeyFile(document: unknown): KeyFile {
  const fields = new Fields(document, 'software key', 'KeyUnfit');
  fields.integer('format', FORMAT, FORMAT);
  const kind = fields.oneOf('kind', KINDS);
  return {
    label: fields.string('label', MAX_LABEL_CHARACTERS),
    kind,
    origin: fields.oneOf('origin', ORIGINS),
    ...(kind === 'KeyPair' && {
      algorithm: fields.oneOf('algorithm', ALGORITHMS),
      publicKey: fields.bytes('publicKey', MAX_PUBLIC_KEY_BYTES),
    }),
    sealed: fields.bytes('sealed', MAX_SEALED_BYTES),
  };
}
