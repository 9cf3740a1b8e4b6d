// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../../errors.ts';
import { serialHex } from '../../issue/certificate-reader.ts';
import type { Logger } from '../../log.ts';
import type { Clock } from '../../os/clock.ts';
import { withLog, type EncodeUse, type UseRecorder } from '../audit.ts';
import { completeLeaf, draftLeaf, type LeafDraft } from '../issuing.ts';
import { encodeAnswer, errorAnswer, openEnvelope, type Envelope } from '../messages.ts';
import { issue } from '../operations/issue.ts';
import type { CertificateRequest } from '../port.ts';
import type { Answer } from '../protocol.ts';
import type { AnswerCode, ThreadAnswer } from '../threads/messages.ts';
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
      const request = openEnvelope(envelope).body as CertificateRequest;
      // How much of its share a pod has, the thread of the token knows: a draft says nothing of who asks.
      return request.byModule === true ? undefined : this.#drafted(envelope.id, request, terms);
    } catch {
      // The thread of the token says why, and records it.
      return undefined;
    }
  }

  /** Answer and record of a leaf that was signed; one that came out wrong is dropped, and that recorded. Never throws. */
  complete({ id, request, leaf, terms }: Drafted, signature: Buffer): Omit<ThreadAnswer, 'seconds'> {
    const { requester, spiffeId } = request;
    const use = { operation: 'issue', requester, spiffeId, keyUri: terms.keyUri } as const;
    try {
      const issued = completeLeaf(terms, leaf, signature);
      const { serial, notBefore, notAfter } = issued;
      this.#uses.record({ ...use, result: 'Issued', serial, notBefore, notAfter });
      return this.#answer('Ok', { id, result: issue.encodeResult(issued) });
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      this.#uses.record({ ...use, result: error.code, reason: error.message });
      return this.#answer(error.code, errorAnswer(id, error));
    }
  }

  #answer(code: AnswerCode, answer: Answer): Omit<ThreadAnswer, 'seconds'> {
    const use = this.#held.take();
    return { text: JSON.stringify(encodeAnswer(answer)), code, ...(use !== undefined && { use }) };
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
