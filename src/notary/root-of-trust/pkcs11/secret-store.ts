// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { SecretOrigin } from '../port.ts';
import type { Cryptoki, Handle } from './cryptoki.ts';
import type { KeyOwner } from './key-owner.ts';
import { forPurpose, requireMechanisms, type Mechanism } from './mechanism.ts';
import { destroyAll, findObjects, labelsOf } from './objects.ts';
import { SECRET_ALGORITHMS, type SecretKind } from './secret-algorithm.ts';
import {
  createSecretObject,
  findSecretObject,
  generateSecretObject,
  secretTemplate,
  type SecretObject,
} from './secret-objects.ts';
import type { TokenSession } from './session.ts';

type Found = SecretObject & { readonly label: string };

const PURPOSES = { Secret: 'message authentication (HMAC-SHA256)', Cipher: 'encryption (AES-256-GCM)' } as const;

/** The symmetric keys of one kind on a token. */
export class SecretStore {
  readonly #session: TokenSession;
  readonly #owner: KeyOwner;
  readonly #kind: SecretKind;

  constructor(session: TokenSession, owner: KeyOwner, kind: SecretKind) {
    this.#session = session;
    this.#owner = owner;
    this.#kind = kind;
  }

  find(label: string, origin: SecretOrigin): Found | undefined {
    const wanted = { kind: this.#kind, label, origin };
    const found = this.#session.run((cryptoki, session) => findSecretObject(cryptoki, session, wanted));
    if (!found) return undefined;
    this.#owner.check(found.id, label);
    return { ...found, label };
  }

  generate(label: string): Found {
    const { generation, use } = SECRET_ALGORITHMS[this.#kind];
    return this.#make({ label, origin: 'Generated', needed: [generation, use] }, (cryptoki, session) =>
      generateSecretObject(cryptoki, session, this.#kind, { label, id: this.#owner.newId() }),
    );
  }

  /** Brings a secret in; of a cipher there is no such thing. */
  create(label: string, value: Buffer): Found {
    const needed = [SECRET_ALGORITHMS.Secret.use];
    return this.#make({ label, origin: 'Imported', needed }, (cryptoki, session) =>
      createSecretObject(cryptoki, session, { label, id: this.#owner.newId() }, value),
    );
  }

  destroy(label: string): void {
    this.#session.run((cryptoki, session) => {
      const objects = findObjects(cryptoki, session, secretTemplate(this.#kind, label));
      destroyAll(cryptoki, session, { label, owner: this.#owner, objects });
    });
  }

  labels(): string[] {
    return this.#session.run((cryptoki, session) => labelsOf(cryptoki, session, secretTemplate(this.#kind)));
  }

  #make(
    wanted: { readonly label: string; readonly origin: SecretOrigin; readonly needed: readonly Mechanism[] },
    make: (cryptoki: Cryptoki, session: Handle) => void,
  ): Found {
    const { label, origin } = wanted;
    requireMechanisms(this.#session.offer(), wanted.needed, PURPOSES[this.#kind]);
    forPurpose(PURPOSES[this.#kind], () =>
      this.#session.runOnce((cryptoki, session) => {
        if (findObjects(cryptoki, session, secretTemplate(this.#kind, label)).length > 0) {
          throw new KeysteadError('Internal', `a secret key ${JSON.stringify(label)} is on the token already`);
        }
        make(cryptoki, session);
      }),
    );
    try {
      const found = this.find(label, origin);
      if (found) return found;
    } catch (thrown) {
      if (thrown instanceof KeysteadError && thrown.code === 'KeyUnfit') this.destroy(label);
      throw thrown;
    }
    throw new KeysteadError('TokenFailed', `the token has not kept the secret key ${JSON.stringify(label)}`);
  }
}
