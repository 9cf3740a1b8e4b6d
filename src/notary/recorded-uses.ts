// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Audit, AuditEntry, KeyUseSuccess } from './audit.ts';
import type { Custody, Held } from './custody.ts';

/** What is known of a use before it is tried. */
export type Use = Omit<AuditEntry, 'result' | 'reason'>;

/** What came out of it; fields of the record that were not known before among them. */
export interface Used<T> {
  readonly result: T;
  readonly outcome: Partial<AuditEntry> & { readonly result: KeyUseSuccess };
}

/** The only way to the keys: nothing is done that cannot be recorded, and nothing, done or refused, goes unrecorded. */
export class RecordedUses {
  readonly #custody: Pick<Custody, 'use' | 'held'>;
  readonly #audit: Audit;

  constructor(custody: Pick<Custody, 'use' | 'held'>, audit: Audit) {
    this.#custody = custody;
    this.#audit = audit;
  }

  /** Throws what `perform` throws, AuditUnavailable, or why there are no keys now. */
  run<T>(use: Use, perform: (held: Held) => Used<T>): T {
    try {
      // Before the key is used, not after: what cannot be recorded is not signed.
      const unrecorded = this.#audit.state?.().failure;
      if (unrecorded) throw unrecorded;
      const { result, outcome } = this.#custody.use(perform);
      this.#audit.record({ ...use, ...outcome });
      return result;
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      const keyUri = use.keyUri ?? this.#custody.held?.authority.issuer.key.uri;
      this.#audit.record({ ...use, ...(keyUri && { keyUri }), result: error.code, reason: error.message });
      throw error;
    }
  }
}
