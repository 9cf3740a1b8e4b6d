// SPDX-License-Identifier: Apache-2.0
import { verify, X509Certificate } from 'node:crypto';
import { KeysteadError } from '../../errors.ts';
import { SignatureFormat, type SignRequest, type VerifyRequest } from '../../gen/keystead/notary/v1alpha1/notary_pb.js';
import { es256Signature } from '../../issue/jwk.ts';

/** Longer messages are hashed by the module. */
const MAX_MESSAGE_BYTES = 32 * 1024;
const SHA256_BYTES = 32;

/** What is to be signed, checked in form. Throws InvalidRequest. */
export function signingInput({ input }: Pick<SignRequest, 'input'>): { message: Buffer } | { digest: Buffer } {
  switch (input.case) {
    case 'message':
      return { message: checkedMessage(input.value) };
    case 'digest': {
      const digest = Buffer.from(input.value);
      if (digest.length === SHA256_BYTES) return { digest };
      throw malformed('digest', 'a SHA-256 of 32 bytes', `${digest.length} bytes`);
    }
    case undefined:
      throw malformed('input', 'a message or a digest', 'neither');
  }
}

/** A DER signature as the caller wants it. */
export function formatted(signature: Buffer, format: SignatureFormat): Buffer {
  switch (format) {
    case SignatureFormat.UNSPECIFIED:
      return signature;
    case SignatureFormat.P1363:
      return es256Signature(signature);
    default:
      throw unknownFormat(format);
  }
}

/** Whether the signature is the leaf's key's. Throws InvalidRequest for what cannot be one. */
export function isSignedBy(chain: string, { message, signature, format }: Omit<VerifyRequest, '$typeName'>): boolean {
  const dsaEncoding = encodingOf(format);
  const { publicKey: key } = new X509Certificate(chain);
  return verify('sha256', checkedMessage(message), { key, dsaEncoding }, signature);
}

function encodingOf(format: SignatureFormat): 'der' | 'ieee-p1363' {
  switch (format) {
    case SignatureFormat.UNSPECIFIED:
      return 'der';
    case SignatureFormat.P1363:
      return 'ieee-p1363';
    default:
      throw unknownFormat(format);
  }
}

function checkedMessage(message: Uint8Array): Buffer {
  if (message.length <= MAX_MESSAGE_BYTES) return Buffer.from(message);
  throw malformed('message', `at most ${MAX_MESSAGE_BYTES} bytes (send a digest for more)`, `${message.length} bytes`);
}

function unknownFormat(format: number): KeysteadError {
  return malformed('format', 'SIGNATURE_FORMAT_UNSPECIFIED or SIGNATURE_FORMAT_P1363', String(format));
}

function malformed(field: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `${field}: expected ${expected}, found ${found}`);
}
