// SPDX-License-Identifier: Apache-2.0

/** DigestInfo of SHA-256 up to the digest (RFC 8017 9.2, note 1). */
const SHA256 = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** What RSASSA-PKCS1-v1_5 signs for a SHA-256 digest. */
export function sha256DigestInfo(digest: Buffer): Buffer {
  return Buffer.concat([SHA256, digest]);
}
