// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { asKeysteadError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../os/clock.ts';
import { Attestation } from './attestation.ts';
import { isSameAuthority, openAuthority, reconfigureAuthority } from './authorities.ts';
import { deviceKey } from './device-key.ts';
import type { Held, HeldDevice, HeldModules } from './held.ts';
import { HubKeys } from './hub-keys.ts';
import { KeyInventory } from './key-inventory.ts';
import { ModuleKeys } from './module-keys.ts';
import type { NotaryConfiguration } from './port.ts';
import type { Attester } from './root-of-trust/attester.ts';
import type { AttesterPlace, RootChoice } from './root-of-trust/choice.ts';
import type { RootOpening } from './root-of-trust/opener.ts';
import type { Sealer } from './root-of-trust/pkcs11/sealed-pin.ts';
import type { RootOfTrust } from './root-of-trust/port.ts';
import { openRoots } from './root-of-trust/roots.ts';
import type { Share } from './share.ts';
import type { StateFolder } from './state-folder.ts';
import { TokenKeys } from './token-keys.ts';

export interface KeysOpenerOptions {
  readonly openRoot: (opening: RootOpening) => RootOfTrust;
  /** Opens the TPM that attests where the root of trust is another. */
  readonly openAttester: (place: AttesterPlace) => Attester;
  /** SHA-256 of this program, which is measured into that TPM. */
  readonly program: Buffer;
  readonly state: StateFolder;
  readonly clock: Clock;
  readonly log: Logger;
  /** An attempt to open the root of trust has ended so. */
  readonly opening: (result: 'Ok' | ErrorCode) => void;
}

/** Opens what a share of a configuration names, fits what is open to changed settings, and lets go of it. */
export class KeysOpener {
  readonly #options: KeysOpenerOptions;
  /** What seals PINs, where a TPM of its own attests. */
  #sealing: Attestation | undefined;

  constructor(options: KeysOpenerOptions) {
    this.#options = options;
  }

  /** All of it, or nothing. Throws what opening throws. */
  open(configuration: NotaryConfiguration, share: Share): Held {
    const { opening } = this.#options;
    try {
      const held = this.#open(configuration, share);
      opening('Ok');
      return held;
    } catch (thrown) {
      opening(asKeysteadError(thrown).code);
      throw thrown;
    }
  }

  /** The same keys under other settings; undefined where others are meant, which have to be opened. */
  adjusted(held: Held, configuration: NotaryConfiguration, share: Share): Held | undefined {
    if (held.share !== share || !sameKeys(held.configuration, configuration)) return undefined;
    const { device, modules } = held;
    if (device) reconfigureAuthority(device.authority, configuration.issuer);
    device?.tokens.reconfigure(configuration.tokens);
    modules?.hubKeys.reconfigure(configuration.masterSecretVersion);
    return {
      ...held,
      configuration,
      ...(device && { device: { ...device, configuration, attestation: this.#reattest(device, configuration) } }),
      ...(modules && { modules: { ...modules, configuration } }),
    };
  }

  letGo({ device, modules, inventory }: Held): void {
    inventory.flush();
    device?.attestation.close();
    device?.root.close();
    if (modules && modules.root !== device?.root) modules.root.close();
  }

  #open(configuration: NotaryConfiguration, share: Share): Held {
    const { openRoot } = this.#options;
    const inventory = new KeyInventory({ ...this.#options, document: share === 'Modules' ? MODULES_LEDGER : LEDGER });
    const { attestation: early, sealer } = share === 'Modules' ? {} : this.#early(configuration);
    const open = (choice: RootChoice): RootOfTrust =>
      inventory.watch(openRoot({ ...choice, ...(sealer && { sealer }) }));
    const opened: { close: () => void }[] = early ? [early] : [];
    try {
      const roots = openRoots(configuration.rootOfTrust, share, open);
      opened.push(...roots.all);
      const device = roots.device && this.#device(roots.device, configuration, early);
      const modules = roots.modules && this.#modules(roots.modules, configuration);
      inventory.reconcile(roots.all);
      inventory.flush();
      const parts = { ...(device && { device }), ...(modules && { modules }) };
      return { configuration, share, inventory, ...parts };
    } catch (thrown) {
      for (const one of opened) one.close();
      throw thrown;
    }
  }

  #device(root: RootOfTrust, configuration: NotaryConfiguration, early: Attestation | undefined): HeldDevice {
    const { clock, log, state } = this.#options;
    const attestation = early ?? this.#attestation(root, configuration);
    if (!early) attestation.measure();
    const parts = { clock, log, state, root, configuration };
    const authority = openAuthority(parts);
    const tokens = new TokenKeys(parts);
    return { configuration, root, attestation, authority, tokens, deviceKey: deviceKey(root, configuration, log) };
  }

  #modules(root: RootOfTrust, configuration: NotaryConfiguration): HeldModules {
    const moduleKeys = new ModuleKeys(root, configuration, this.#options.log);
    return { configuration, root, moduleKeys, hubKeys: new HubKeys(root, configuration, this.#options.state) };
  }

  /** A TPM of its own attests before anything else is opened: what it has sealed may be needed for that. */
  #early(configuration: NotaryConfiguration): { attestation?: Attestation; sealer?: Sealer } {
    const { tpm, applicationPcr } = configuration.measuredBoot ?? {};
    if (!tpm || applicationPcr === undefined) return {};
    const attestation = this.#attestation(undefined, configuration);
    attestation.measure();
    this.#sealing = attestation;
    // Of the attestation that there is then: another one measures what it was configured with.
    const current = (): Attestation => this.#sealing ?? attestation;
    const sealer: Sealer = {
      seal: (secret) => current().use((attester) => attester.seal(secret, applicationPcr)),
      unseal: (sealed) => current().use((attester) => attester.unseal(sealed)),
    };
    return { attestation, sealer };
  }

  #attestation(root: RootOfTrust | undefined, { measuredBoot }: NotaryConfiguration): Attestation {
    const { openAttester, program, log } = this.#options;
    const { tpm, applicationPcr = 0, agentProgram } = measuredBoot ?? {};
    const own = root?.attester;
    const open = tpm ? () => openAttester(tpm) : own && measuredBoot && (() => own);
    const programs = [program, ...(agentProgram === undefined ? [] : [Buffer.from(agentProgram, 'hex')])];
    return new Attestation({ open, pcr: applicationPcr, programs, log });
  }

  #reattest(held: HeldDevice, configuration: NotaryConfiguration): Attestation {
    if (isDeepStrictEqual(held.configuration.measuredBoot, configuration.measuredBoot)) return held.attestation;
    held.attestation.close();
    const attestation = this.#attestation(held.root, configuration);
    attestation.measure();
    this.#sealing = attestation;
    return attestation;
  }
}

const LEDGER = 'key-ledger';
const MODULES_LEDGER = 'module-key-ledger';

function sameKeys(a: NotaryConfiguration, b: NotaryConfiguration): boolean {
  return JSON.stringify(a.rootOfTrust) === JSON.stringify(b.rootOfTrust) && isSameAuthority(a.issuer, b.issuer);
}
