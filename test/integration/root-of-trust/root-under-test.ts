// SPDX-License-Identifier: Apache-2.0
import type { KeyAlgorithm, RootOfTrust } from '../../../src/notary/root-of-trust/port.ts';

export const ALL: readonly KeyAlgorithm[] = ['EC-P256', 'EC-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096'];

/** A root of trust with what it is known to be able to do. */
export interface RootUnderTest {
  readonly kind: 'PKCS11' | 'TPM' | 'Software';
  /** Algorithms that, asked for, end in MechanismMissing. */
  readonly missing: readonly KeyAlgorithm[];
  /** Algorithms that sign a digest; others end in MechanismMissing. */
  readonly digests: readonly KeyAlgorithm[];
  readonly secrets: boolean;
  readonly ciphers: boolean;
  /** Opens it as a fresh process would. */
  open(): RootOfTrust;
  /** Takes power from whatever holds the keys, and gives it back. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}
