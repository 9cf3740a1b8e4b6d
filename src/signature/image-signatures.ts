// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { TrustMaterial } from '@sigstore/verify';
import { asKeysteadError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { SignatureFolder } from './folder-store.ts';
import type { SignatureEvidence, Signers } from '../attest/port.ts';
import type { FoundSignature, SignatureStore, SignedImage } from './port.ts';
import { verifyImage } from './verify.ts';

export interface ImageSignaturesOptions {
  readonly clock: Clock;
  /** Asked in this order until one of them has a signature that counts. */
  readonly stores: readonly SignatureStore[];
  /** What was found is kept here, so that a node without network knows it after a restart. */
  readonly kept: SignatureFolder;
  readonly trust: TrustMaterial | undefined;
}

/** How long a verdict stands, milliseconds. */
const VERIFIED_MS = 24 * 3_600_000;
const REFUSED_MS = 30_000;
const MAX_VERDICTS = 512;

interface Known {
  readonly verdict: SignatureEvidence;
  readonly until: number;
}

/**
 * Whether images are signed as policies demand. A verdict stands for its digests and its signers for a day; then the
 * signatures are fetched again, and where that cannot be done those that were kept are verified once more.
 */
export class ImageSignatures {
  readonly #options: ImageSignaturesOptions;
  readonly #known = new Map<string, Known>();
  readonly #running = new Map<string, Promise<SignatureEvidence>>();

  constructor(options: ImageSignaturesOptions) {
    this.#options = options;
  }

  /** Never rejects: what could not be found out is not verified, with the cause in the message. */
  of(image: SignedImage, signers: Signers): Promise<SignatureEvidence> {
    const key = keyOf(image, signers);
    const known = this.#known.get(key);
    if (known && known.until > this.#options.clock.now()) return Promise.resolve(known.verdict);
    const running = this.#running.get(key) ?? this.#judge(key, image, signers);
    this.#running.set(key, running);
    return running;
  }

  async #judge(key: string, image: SignedImage, signers: Signers): Promise<SignatureEvidence> {
    try {
      const verdict = await this.#search(image, signers);
      this.#remember(key, verdict);
      return verdict;
    } finally {
      this.#running.delete(key);
    }
  }

  async #search(image: SignedImage, signers: Signers): Promise<SignatureEvidence> {
    const { stores, kept, trust } = this.#options;
    const all: FoundSignature[] = [];
    const problems: string[] = [];
    for (const store of [...stores, kept]) {
      const found = await store.find(image).catch((error: unknown) => {
        problems.push(asKeysteadError(error).message);
        return [];
      });
      const verdict = verifyImage(image, found, signers, trust);
      if (verdict.verified) {
        if (store !== kept) await this.#keep(image, found);
        return verdict;
      }
      all.push(...found);
    }
    const { message } = verifyImage(image, all, signers, trust);
    return { verified: false, message: [message, ...problems].join('; ') };
  }

  /** What cannot be kept is fetched again after a restart; the verdict holds all the same. */
  async #keep({ index, manifest }: SignedImage, found: readonly FoundSignature[]): Promise<void> {
    const digest = index ?? manifest;
    if (digest !== undefined) await this.#options.kept.keep(digest, found).catch(() => undefined);
  }

  #remember(key: string, verdict: SignatureEvidence): void {
    const oldest = this.#known.keys().next();
    if (this.#known.size >= MAX_VERDICTS && !oldest.done) this.#known.delete(oldest.value);
    this.#known.delete(key);
    const until = this.#options.clock.now() + (verdict.verified ? VERIFIED_MS : REFUSED_MS);
    this.#known.set(key, { verdict, until });
  }
}

function keyOf({ reference, index, manifest }: SignedImage, signers: Signers): string {
  return createHash('sha256')
    .update(JSON.stringify([reference, index, manifest, signers]))
    .digest('base64');
}
