// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { AttesterKeys, Credential, KeyEvidenceRequest, PcrQuote, QuoteRequest } from './attestation-port.ts';
import type { AuditEntry, UseRecorder } from './audit.ts';
import type { Custody } from './custody.ts';
import { deviceIn, modulesIn, type Held } from './held.ts';
import { evidenceOf, type EvidenceQuestion, type KeyEvidence } from './key-evidence.ts';
import type { TokenOperation } from './operations/index.ts';
import type { Attester } from './root-of-trust/attester.ts';
import type { RootOfTrust } from './root-of-trust/port.ts';

export interface AttestationsOptions {
  readonly custody: Pick<Custody, 'use' | 'useDevice'>;
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

  keyEvidence(request: KeyEvidenceRequest): KeyEvidence {
    const { custody, clock } = this.#options;
    const use = { operation: 'keyEvidence', ...('requester' in request && { requester: request.requester }) } as const;
    return this.#recorded(use, () =>
      custody.use((held) => {
        const { node, trustDomain } = held.configuration;
        const { root, ...subject } = subjectOf(held, request);
        return evidenceOf(root, { ...subject, nonce: request.nonce, node, trustDomain, now: clock.now() });
      }),
    );
  }

  /** Not within `custody.use`: a credential for other keys says nothing against the token. */
  #attester<T>(operation: TokenOperation, ask: (attester: Attester) => T): T {
    const { attestation } = this.#options.custody.useDevice((held) => held);
    return this.#recorded({ operation }, () => attestation.use(ask));
  }

  #recorded<T>(use: Pick<AuditEntry, 'operation' | 'requester'>, perform: () => T): T {
    const { uses } = this.#options;
    try {
      const result = perform();
      uses.record({ ...use, result: 'Done' });
      return result;
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      uses.record({ ...use, result: error.code, reason: error.message });
      throw error;
    }
  }
}

/** The key that evidence is asked of, and the root of trust that it lives in. */
function subjectOf(
  held: Held,
  request: KeyEvidenceRequest,
): Pick<EvidenceQuestion, 'key' | 'purpose' | 'owner'> & { readonly root: RootOfTrust } {
  if ('requester' in request) {
    const { module: owner } = request.requester;
    const { root, moduleKeys } = modulesIn(held);
    return { root, key: moduleKeys.get(request.key), purpose: 'Module', owner };
  }
  const { root, authority, tokens } = deviceIn(held);
  const { key } = request.key === 'Issuer' ? authority.issuer : tokens.signer;
  return { root, key, purpose: request.key };
}
