// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { AuditEntry, KeyUseSuccess, UseRecorder } from './audit.ts';
import type { Custody } from './custody.ts';
import { deviceIn, modulesIn, type Held, type HeldDevice, type HeldModules } from './held.ts';

/** What is known of a use before it is tried. */
export type Use = Omit<AuditEntry, 'result' | 'reason'>;

/** What came out of it; fields of the record that were not known before among them. */
export interface Used<T> {
  readonly result: T;
  readonly outcome: Partial<AuditEntry> & { readonly result: KeyUseSuccess };
}

/** The only way to the keys: nothing, done or refused, goes unrecorded. */
export class RecordedUses {
  readonly #custody: Pick<Custody, 'use' | 'held'>;
  readonly #recorder: UseRecorder;

  constructor(custody: Pick<Custody, 'use' | 'held'>, recorder: UseRecorder) {
    this.#custody = custody;
    this.#recorder = recorder;
  }

  /** Uses the node's own keys. Throws what `perform` throws, or why there are no keys now. */
  ofDevice<T>(use: Use, perform: (held: HeldDevice) => Used<T>): T {
    const keyUri = use.keyUri ?? this.#custody.held?.device?.authority.issuer.key.uri;
    return this.#run({ ...use, ...(keyUri && { keyUri }) }, (held) => perform(deviceIn(held)));
  }

  /** Uses keys of modules. Throws as `ofDevice` does. */
  ofModules<T>(use: Use, perform: (held: HeldModules) => Used<T>): T {
    return this.#run(use, (held) => perform(modulesIn(held)));
  }

  #run<T>(use: Use, perform: (held: Held) => Used<T>): T {
    try {
      const { result, outcome } = this.#custody.use(perform);
      this.#recorder.record({ ...use, ...outcome });
      return result;
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      this.#recorder.record({ ...use, result: error.code, reason: error.message });
      throw error;
    }
  }
}
