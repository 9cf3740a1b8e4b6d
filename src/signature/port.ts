// SPDX-License-Identifier: Apache-2.0
import type { Digest } from '../attest/port.ts';

/** An image whose signatures are looked for: a signature may be over its index or over this platform's manifest. */
export interface SignedImage {
  /** The name by which the pod asks for it: says in which repository the signatures lie. */
  readonly reference: string;
  readonly index?: Digest;
  readonly manifest?: Digest;
}

/** A signature as it was found beside an image; nothing of it is trusted yet. */
export type FoundSignature =
  | {
      /** cosign's first format: a JSON payload that names a digest, and a signature over its bytes. */
      readonly format: 'SimpleSigning';
      readonly payload: Buffer;
      readonly signature: Buffer;
      /** PEM, leaf first, where the signer had a certificate. */
      readonly certificates: string;
      /** The transparency log's promise, as cosign keeps it: JSON. */
      readonly logEntry: string;
    }
  /** A Sigstore bundle, any version: JSON. */
  | { readonly format: 'Bundle'; readonly bundle: unknown };

/** A place where signatures lie. */
export interface SignatureStore {
  /** All signatures there are for the image; none is an answer too. Throws Unavailable where the place cannot be asked. */
  find(image: SignedImage): Promise<readonly FoundSignature[]>;
}
