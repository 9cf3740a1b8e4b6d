// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { KeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { StateFolder } from '../state-folder.ts';
import type { Attester } from './attester.ts';
import type { AttesterPlace, Pkcs11Choice, RootChoice, SoftwareChoice, TpmChoice } from './choice.ts';
import { KeyOwner } from './pkcs11/key-owner.ts';
import { Pkcs11Libraries, resolvedLibrary } from './pkcs11/library.ts';
import { PinGuard } from './pkcs11/pin-guard.ts';
import { pkcs11Place } from './pkcs11/place.ts';
import { SealedPin, type Sealer } from './pkcs11/sealed-pin.ts';
import { Pkcs11Root } from './pkcs11/root.ts';
import type { RootOfTrust } from './port.ts';
import { readSecretFile } from './secret-file.ts';
import { SoftwareRoot } from './software/root.ts';
import { TpmAttester } from './tpm/attester.ts';
import { openTpm, type TpmPlace } from './tpm/open.ts';
import { TpmRoot } from './tpm/root.ts';

export interface RootOpenerOptions {
  readonly state: StateFolder;
  readonly log: Logger;
  readonly relayed?: RelayedDevice | undefined;
}

/** A TPM's device node that this process cannot open itself, and the socket behind which it is relayed. */
export interface RelayedDevice {
  readonly device: string;
  readonly path: string;
}

/** Which root of trust to open, and the TPM that seals where one attests. */
export type RootOpening = RootChoice & { readonly sealer?: Sealer };

/**
 * Opens roots of trust; the one place that knows all kinds. Lives in the thread that uses what it opens, and keeps what
 * several openings share, such as loaded libraries.
 */
export class RootOpener {
  readonly #log: Logger;
  readonly #state: StateFolder;
  readonly #relayed: RelayedDevice | undefined;
  readonly #libraries = new Pkcs11Libraries();
  readonly #pins: PinGuard;

  constructor({ state, log, relayed }: RootOpenerOptions) {
    this.#log = log;
    this.#relayed = relayed;
    this.#state = state;
    this.#pins = new PinGuard(state);
  }

  /** Throws what the root of trust throws where it cannot be opened. */
  open({ sealer, ...choice }: RootOpening): RootOfTrust {
    if ('tpm' in choice) return this.#openTpm(choice.tpm);
    // The only way to software keys: there is no fall-back to them.
    if ('software' in choice) return this.#openSoftware(choice.software);
    return this.#openToken(choice.pkcs11, sealer);
  }

  /** Opens a TPM that attests beside another root of trust. Throws what the TPM throws. */
  openAttester({ endorsementAuthFile, ...place }: AttesterPlace): Attester {
    const auth = endorsementAuthFile === undefined ? undefined : authIn(endorsementAuthFile, 'endorsement');
    const tpm = openTpm({ ...this.#reach(place), ...(auth && { endorsementAuth: auth }) });
    return new TpmAttester(tpm, { close: () => tpm.close() });
  }

  /** Lets go of what is shared, after all that was opened has been closed: for the end of the thread. */
  close(): void {
    this.#libraries.finalize();
  }

  #openToken(wanted: Pkcs11Choice, sealer: Sealer | undefined): RootOfTrust {
    const { library, ...place } = pkcs11Place(wanted);
    const parts = {
      pins: this.#pins,
      owner: KeyOwner.of(this.#state),
      log: this.#log,
      ...this.#sealedPin(wanted, sealer),
    };
    return new Pkcs11Root({ library: this.#libraries.open(library), ...place, ...parts });
  }

  #sealedPin({ sealPin }: Pkcs11Choice, sealer: Sealer | undefined): { sealedPin?: SealedPin } {
    if (!sealPin) return {};
    if (sealer) return { sealedPin: new SealedPin({ state: this.#state, sealer, log: this.#log }) };
    const message = 'rootOfTrust.pkcs11.sealPin: expected a TPM that seals, found none; set measuredBoot.tpm';
    throw new KeysteadError('InvalidConfiguration', message);
  }

  #openSoftware({ passphraseFile }: SoftwareChoice): RootOfTrust {
    const passphrase = readSecretFile(passphraseFile, 'passphrase');
    try {
      return new SoftwareRoot({ folder: new StateFolder(join(this.#state.path, 'software')), passphrase });
    } finally {
      passphrase.fill(0);
    }
  }

  #openTpm(choice: TpmChoice): RootOfTrust {
    const { ownerAuthFile, endorsementAuthFile, keyAuthFile, storageHandle } = choice;
    const folder = join(this.#state.path, 'tpm');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const keyAuth = keyAuthFile === undefined ? undefined : authIn(keyAuthFile, 'key');
    const tpm = openTpm({
      ...this.#reach(choice),
      storageHandle,
      ...(ownerAuthFile !== undefined && { ownerAuth: authIn(ownerAuthFile, 'owner') }),
      ...(endorsementAuthFile !== undefined && { endorsementAuth: authIn(endorsementAuthFile, 'endorsement') }),
    });
    try {
      return new TpmRoot({ tpm, folder, storage: { handle: storageHandle }, ...(keyAuth && { keyAuth }) });
    } catch (thrown) {
      tpm.close();
      throw thrown;
    }
  }

  #reach({ device = '', socket }: Pick<TpmChoice, 'device' | 'socket'>): TpmPlace & { exclusive?: boolean } {
    if (socket !== undefined) return { socket: { path: socket } };
    if (this.#relayed?.device !== device) return { device };
    // The device behind it has other users.
    return { socket: { path: this.#relayed.path }, exclusive: false };
  }
}

function authIn(file: string, whose: string): Buffer {
  return readSecretFile(file, `${whose} authorisation`);
}

/**
 * What a root of trust runs in, as text: a thread of its own each. Of PKCS#11 it is the library and not the token, since
 * a library has one state for the whole process (PKCS#11 2.40, 2.5.2) and few vendors' bear two threads.
 */
export function placeOf(choice: RootChoice): string {
  if ('tpm' in choice) return tpmPlace(choice.tpm);
  if ('software' in choice) return 'software';
  return `pkcs11:${resolvedLibrary(pkcs11Place(choice.pkcs11).library)}`;
}

/** The place of a TPM, which can be the root of trust or attest beside it. */
export function tpmPlace({ device, socket }: AttesterPlace): string {
  return `tpm:${device ?? socket ?? ''}`;
}
