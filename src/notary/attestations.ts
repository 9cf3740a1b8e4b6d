// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { AttesterKeys, Credential, KeyEvidenceRequest, PcrQuote, QuoteRequest } from './attestation-port.ts';
import type { UseRecorder } from './audit.ts';
import type { Custody } from './custody.ts';
import { evidenceOf, type KeyEvidence } from './key-evidence.ts';
import type { TokenOperation } from './operations/index.ts';
import type { Attester } from './root-of-trust/attester.ts';

export interface AttestationsOptions {
  readonly custody: Pick<Custody, 'use'>;
  readonly uses: UseRecorder;
  readonly clock: Clock;
}

/** What the notary proves of the machine and of its keys. Each use of the attestation key is recorded. */
export class Attestations {
  readonly #options: AttestationsOptions;

  constructor(options: AttestationsOptions) {
    this.#options = options;
  }

  keys(): AttesterKeys {
    return this.#attester('attesterKeys', (attester) => attester.keys());
  }

  activate(credential: Credential): Buffer {
    return this.#attester('activateCredential', (attester) => attester.activate(credential));
  }

  quote({ nonce, pcrs }: QuoteRequest): PcrQuote {
    return this.#attester('quote', (attester) => attester.quote(nonce, pcrs));
  }

  keyEvidence({ key: purpose, nonce }: KeyEvidenceRequest): KeyEvidence {
    const { custody, clock } = this.#options;
    return this.#recorded('keyEvidence', () =>
      custody.use(({ roots, authority, tokens, configuration: { node, trustDomain } }) => {
        const key = purpose === 'Issuer' ? authority.issuer.key : tokens.signer.key;
        return evidenceOf(roots.device, { key, purpose, nonce, node, trustDomain, now: clock.now() });
      }),
    );
  }

  /** Not within `custody.use`: a credential for other keys says nothing against the token. */
  #attester<T>(operation: TokenOperation, ask: (attester: Attester) => T): T {
    const { attestation } = this.#options.custody.use((held) => held);
    return this.#recorded(operation, () => attestation.use(ask));
  }

  #recorded<T>(operation: TokenOperation, perform: () => T): T {
    const { uses } = this.#options;
    try {
      const result = perform();
      uses.record({ operation, result: 'Done' });
      return result;
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      uses.record({ operation, result: error.code, reason: error.message });
      throw error;
    }
  }
}
