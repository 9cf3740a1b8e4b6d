// SPDX-License-Identifier: Apache-2.0
import type { KeyEvidence, KeyEvidenceRequest } from './attestation-port.ts';
import { Attestations } from './attestations.ts';
import { Custody } from './custody.ts';
import { ModuleService } from './module-service.ts';
import type { NotaryConfiguration, TokenStatus } from './port.ts';
import type { NotaryServiceOptions } from './service.ts';
import type { Share } from './share.ts';
import { failedStatus, modulesStatus } from './token-status.ts';
import type { ThreadService } from './threads/worker.ts';

/** What the notary does in a thread that holds modules' keys alone. It signs no certificates and keeps no record of any. */
export class ModuleThreadService extends ModuleService implements ThreadService {
  readonly draftingTerms = undefined;
  readonly #own: Custody;
  readonly #attestations: Attestations;

  constructor(options: NotaryServiceOptions) {
    const custody = new Custody(options);
    super({ ...options, custody });
    this.#own = custody;
    this.#attestations = new Attestations({ ...options, custody });
  }

  configure(wanted: NotaryConfiguration, share: Share, mustOpen = false): void {
    this.#own.change(wanted, share);
    if (mustOpen && this.#own.failure) throw this.#own.failure;
  }

  status(): TokenStatus {
    const { held, failure } = this.#own;
    return held ? modulesStatus(held) : failedStatus(failure);
  }

  keyEvidence(request: KeyEvidenceRequest): KeyEvidence {
    return this.#attestations.keyEvidence(request);
  }

  signDraft(): undefined {
    return undefined;
  }

  commit(): void {
    // What it does is on the token, or written already.
  }

  close(): void {
    this.#own.close();
  }
}
