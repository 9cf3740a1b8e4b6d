// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../src/errors.ts';
import type { HeldKey, KeyAlgorithm, RootOfTrust, TokenDescription } from '../../../src/notary/root-of-trust/port.ts';
import { memorySigner } from '../issue/samples.ts';

/** What outlives a root that is closed: the token itself, with its keys. */
export class MemoryToken {
  readonly keys = new Map<string, HeldKey>();
  readonly serial: string;
  /** Thrown by every use, where set. */
  failure: KeysteadError | undefined;
  /** Thrown by making a key, where set. */
  generationFailure: KeysteadError | undefined;
  opened = 0;
  closed = 0;

  constructor(serial = '0001') {
    this.serial = serial;
  }

  open(): RootOfTrust {
    this.#check();
    this.opened++;
    const token = this.#description();
    return {
      token,
      find: (label) => {
        this.#check();
        return this.keys.get(label);
      },
      generate: (label, algorithm) => this.#generate(label, algorithm),
      destroy: (label) => {
        this.keys.delete(label);
      },
      labels: () => [...this.keys.keys()].sort(),
      close: () => {
        this.closed++;
      },
    };
  }

  #generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    this.#check();
    if (this.generationFailure) throw this.generationFailure;
    const signer = memorySigner(algorithm);
    const key = {
      ...signer,
      label,
      uri: `pkcs11:object=${label}`,
      attributes: { sensitive: true, extractable: false, neverExtractable: true, local: true },
      sign: (message: Buffer) => {
        this.#check();
        return signer.sign(message);
      },
    };
    this.keys.set(label, key);
    return key;
  }

  #check(): void {
    if (this.failure) throw this.failure;
  }

  #description(): TokenDescription {
    const names = { label: 'memory', manufacturer: 'test', model: 'test', library: 'none' };
    return { kind: 'PKCS11', serial: this.serial, ...names };
  }
}
