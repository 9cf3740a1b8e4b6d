// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Attester } from './root-of-trust/attester.ts';

export interface AttestationOptions {
  /** Undefined where the node has no TPM that attests. Throws what the TPM throws. */
  readonly open: (() => Attester) | undefined;
  readonly pcr: number;
  /** SHA-256 of the programs that are measured into it, in this order. */
  readonly programs: readonly Buffer[];
  readonly log: Logger;
}

/**
 * The TPM that attests this node: opened when it is needed and again after it has failed. Before anything else is asked of
 * it the programs are measured, so that every quote covers them.
 */
export class Attestation {
  readonly #options: AttestationOptions;
  #attester: Attester | undefined;

  constructor(options: AttestationOptions) {
    this.#options = options;
  }

  /** Measures the programs before any key is used. A TPM that is away keeps nobody: the next quote tells of it. */
  measure(): void {
    if (!this.#options.open) return;
    try {
      this.use(() => undefined);
    } catch (thrown) {
      const { code, message } = asKeysteadError(thrown);
      this.#options.log.warn({ code, err: message }, 'cannot measure the programs into the TPM');
    }
  }

  /** Throws NotFound where there is no such TPM, and what the TPM throws. What is asked must bear being asked again. */
  use<T>(ask: (attester: Attester) => T): T {
    if (this.#attester === undefined) return this.#ask(ask);
    try {
      return this.#ask(ask);
    } catch (thrown) {
      // It was restarted since: its PCRs are empty, and the programs are measured again before it is asked again.
      if (!asKeysteadError(thrown).retryable) throw thrown;
      return this.#ask(ask);
    }
  }

  #ask<T>(ask: (attester: Attester) => T): T {
    const attester = (this.#attester ??= this.#opened());
    try {
      return ask(attester);
    } catch (thrown) {
      // What was asked may have been wrong, or the TPM away: a new connection cures the second and is cheap.
      this.close();
      throw thrown;
    }
  }

  close(): void {
    this.#attester?.close();
    this.#attester = undefined;
  }

  #opened(): Attester {
    const { open, pcr, programs } = this.#options;
    if (!open) {
      const remedy = 'set measuredBoot.tpm in the EdgeDevice, or rootOfTrust.tpm';
      throw new KeysteadError('NotFound', `this node has no TPM that attests; ${remedy}`);
    }
    const attester = open();
    try {
      attester.measure(pcr, programs);
      return attester;
    } catch (thrown) {
      attester.close();
      throw thrown;
    }
  }
}
