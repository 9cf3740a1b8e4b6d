// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { UseRecorder } from './audit.ts';
import type { Custody } from './custody.ts';
import type { HubKeys, HubUse } from './hub-keys.ts';
import type { HubCipherRequest, HubKeyImport, HubKeyName, HubSignRequest } from './hub-port.ts';
import type { ModuleKeyName, ModuleKeyRequest, ModulePublicKey, Signature, SignRequest } from './key-port.ts';
import type { ModuleOperation, TokenPerformers } from './operations/index.ts';
import type { Requester } from './port.ts';
import { RecordedUses } from './recorded-uses.ts';

/** What the notary does with keys of modules. Each use is recorded. */
export class ModuleService implements Pick<TokenPerformers, ModuleOperation> {
  readonly #custody: Pick<Custody, 'useModules'>;
  readonly #uses: RecordedUses;

  constructor({ custody, uses }: { readonly custody: Custody; readonly uses: UseRecorder }) {
    this.#custody = custody;
    this.#uses = new RecordedUses(custody, uses);
  }

  /** Makes the module's key where there is none. */
  obtainKey({ key: name, requester }: ModuleKeyRequest): ModulePublicKey {
    return this.#uses.ofModules({ operation: 'obtainKey', requester }, ({ moduleKeys }) => {
      const { publicKey, uri: keyUri } = moduleKeys.obtain(name);
      return { result: { publicKey, keyUri }, outcome: { result: 'Done', keyUri } };
    });
  }

  /** Signs what a module brings, with that module's key and no other. */
  signWithKey({ key: name, requester, ...input }: SignRequest): Signature {
    return this.#uses.ofModules({ operation: 'signWithKey', requester }, ({ moduleKeys }) => {
      const key = moduleKeys.get(name);
      const { algorithm, uri: keyUri } = key;
      const signature = 'digest' in input ? key.signDigest(checkedDigest(input.digest)) : key.sign(input.message);
      return { result: { signature, algorithm, keyUri }, outcome: { result: 'Done', keyUri } };
    });
  }

  destroyKey(name: ModuleKeyName): void {
    this.#uses.ofModules({ operation: 'destroyKey' }, ({ moduleKeys }) => {
      const keyUri = moduleKeys.destroy(name);
      return { result: undefined, outcome: { result: 'Done', keyUri } };
    });
  }

  moduleKeys(): readonly ModuleKeyName[] {
    return this.#custody.useModules(({ moduleKeys }) => moduleKeys.list());
  }

  hubSign(request: HubSignRequest): Buffer {
    return this.#useHubKeys('hubSign', request, (keys) => keys.sign(request));
  }

  hubEncrypt(request: HubCipherRequest): Buffer {
    return this.#useHubKeys('hubEncrypt', request, (keys) => keys.encrypt(request));
  }

  hubDecrypt(request: HubCipherRequest): Buffer {
    return this.#useHubKeys('hubDecrypt', request, (keys) => keys.decrypt(request));
  }

  /** Takes a hub's key in and wipes what it was given. */
  importHubKey(request: HubKeyImport): void {
    try {
      this.#uses.ofModules({ operation: 'importHubKey' }, ({ hubKeys }) => {
        const keyUri = hubKeys.import(request);
        return { result: undefined, outcome: { result: 'Done', keyUri } };
      });
    } finally {
      request.key.fill(0);
    }
  }

  hubKeys(): readonly HubKeyName[] {
    return this.#custody.useModules(({ hubKeys }) => hubKeys.list());
  }

  destroyHubKey(name: HubKeyName): void {
    this.#uses.ofModules({ operation: 'destroyHubKey' }, ({ hubKeys }) => {
      const keyUri = hubKeys.destroy(name);
      return { result: undefined, outcome: { result: 'Done', keyUri } };
    });
  }

  #useHubKeys(
    operation: ModuleOperation,
    { requester }: { readonly requester: Requester },
    use: (keys: HubKeys) => HubUse,
  ): Buffer {
    return this.#uses.ofModules({ operation, requester }, ({ hubKeys }) => {
      const { result, keyUri } = use(hubKeys);
      return { result, outcome: { result: 'Done', keyUri } };
    });
  }
}

/** Module keys are P-256, whose digest is SHA-256. */
function checkedDigest(digest: Buffer): Buffer {
  if (digest.length === 32) return digest;
  throw new KeysteadError('InvalidRequest', `digest: expected a SHA-256 of 32 bytes, found ${digest.length} bytes`);
}
