// SPDX-License-Identifier: Apache-2.0
import { serialHex } from '../../issue/certificate-reader.ts';
import type { Logger } from '../../log.ts';
import type { Clock } from '../../os/clock.ts';
import { withLog, type EncodeUse, type UseRecorder } from '../audit.ts';
import { completeLeaf, draftLeaf, type LeafDraft } from '../issuing.ts';
import { encodeAnswer, openEnvelope, type Envelope } from '../messages.ts';
import { issue } from '../operations/issue.ts';
import type { CertificateRequest } from '../port.ts';
import { HeldBackUse } from '../threads/performer.ts';
import type { Draft } from './draft.ts';
import type { DraftingTerms } from './terms.ts';

export interface DraftingOptions {
  readonly clock: Clock;
  readonly encodeUse: EncodeUse;
  readonly log: Logger;
}

/** A leaf on its way to the token and back. */
export interface Drafted {
  readonly draft: Draft;
  readonly id: number;
  readonly request: CertificateRequest;
  readonly leaf: LeafDraft;
  readonly terms: DraftingTerms;
}

/**
 * The main thread's share in issuing: it checks, builds and completes leaves, so that the thread of the token, which is
 * what limits the rate, has its time for signatures. Only what goes well goes this way; all else goes to that thread as a
 * whole, which refuses and records.
 */
export class Drafting {
  readonly #clock: Clock;
  readonly #held: HeldBackUse;
  readonly #uses: UseRecorder;

  constructor({ clock, encodeUse, log }: DraftingOptions) {
    this.#clock = clock;
    this.#held = new HeldBackUse(encodeUse);
    this.#uses = withLog(this.#held, log);
  }

  /** The draft of a leaf; undefined where the request is not to be granted as it stands. */
  draft(envelope: Envelope, terms: DraftingTerms | undefined): Drafted | undefined {
    if (!terms || envelope.operation !== 'issue') return undefined;
    try {
      return this.#drafted(envelope.id, openEnvelope(envelope).body as CertificateRequest, terms);
    } catch {
      // The thread of the token says why, and records it.
      return undefined;
    }
  }

  /** Answer and record of a leaf that was signed. Throws Internal where it came out wrong. */
  complete({ id, request, leaf, terms }: Drafted, signature: Buffer): { readonly text: string; readonly use: string } {
    const issued = completeLeaf(terms, leaf, signature);
    const { requester, spiffeId } = request;
    const { serial, notBefore, notAfter } = issued;
    const done = { result: 'Issued', keyUri: terms.keyUri, serial, notBefore, notAfter } as const;
    this.#uses.record({ operation: 'issue', requester, spiffeId, ...done });
    const use = this.#held.take() ?? '';
    return { text: JSON.stringify(encodeAnswer({ id, result: issue.encodeResult(issued) })), use };
  }

  #drafted(id: number, request: CertificateRequest, terms: DraftingTerms): Drafted {
    // Whose key it is, the thread of the token looks up.
    const profile = { ...terms, isOwnKey: () => false };
    const built = draftLeaf(terms, profile, request, this.#clock.now());
    const leaf = { ...built, tbs: Buffer.from(built.tbs) };
    const { podUid, identity } = request.requester;
    const { tbs, publicKey, spiffeId, validity } = leaf;
    const names = { publicKey, spiffeId, podUid, identity };
    const draft = { epoch: terms.epoch, tbs, ...names, serial: serialHex(leaf.serial), notAfter: validity.notAfter };
    return { draft, id, request, leaf, terms };
  }
}
