// SPDX-License-Identifier: Apache-2.0
import type { HeldDevice } from '../held.ts';
import type { LeafIssuer } from '../issuing.ts';

/** What the thread of the token tells the main thread so that it can draft leaves. */
export interface DraftingTerms extends LeafIssuer {
  /** Grows with every change of CA or configuration: no leaf is signed that was drafted under other terms. */
  readonly epoch: number;
  readonly trustDomain: string;
  readonly maxLeafSeconds: number;
  /** Of the CA's key. */
  readonly keyUri: string;
}

/** The terms as they came from another thread, which makes plain arrays of buffers. */
export function receivedTerms(terms: DraftingTerms): DraftingTerms {
  const { name, keyIdentifier } = terms.identity;
  const identity = { name: buffer(name), keyIdentifier: buffer(keyIdentifier) };
  return { ...terms, identity, intermediates: terms.intermediates.map(buffer) };
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Keeps the terms up with what is held. */
export class TermsKeeper {
  #terms: DraftingTerms | undefined;
  #issuer: unknown;
  #configuration: unknown;
  #epoch = 0;

  /** Those in effect; undefined where nothing is held. Cheap where nothing has changed. */
  of(held: Pick<HeldDevice, 'authority' | 'configuration'> | undefined): DraftingTerms | undefined {
    const issuer = held?.authority.issuer;
    if (issuer === this.#issuer && held?.configuration === this.#configuration) return this.#terms;
    this.#issuer = issuer;
    this.#configuration = held?.configuration;
    this.#epoch++;
    this.#terms = held && this.#termsOf(held);
    return this.#terms;
  }

  #termsOf({ authority, configuration }: Pick<HeldDevice, 'authority' | 'configuration'>): DraftingTerms {
    const { key, entry, identity, intermediates } = authority.issuer;
    const { algorithm, uri: keyUri } = key;
    const { trustDomain, issuer } = configuration;
    const limits = { trustDomain, maxLeafSeconds: issuer.maxLeafSeconds };
    const { validity } = entry.certificate;
    return { epoch: this.#epoch, ...limits, algorithm, keyUri, identity, validity, intermediates };
  }
}
