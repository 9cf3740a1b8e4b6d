// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { Attestation } from './attestation.ts';
import type { IssuingAuthority } from './authority.ts';
import type { HubKeys } from './hub-keys.ts';
import type { KeyInventory } from './key-inventory.ts';
import type { ModuleKeys } from './module-keys.ts';
import type { NotaryConfiguration } from './port.ts';
import type { HeldKey, RootOfTrust } from './root-of-trust/port.ts';
import type { Share } from './share.ts';
import type { TokenKeys } from './token-keys.ts';

/** What is open in a thread: one part or both, by its share. */
export interface Held {
  readonly configuration: NotaryConfiguration;
  readonly share: Share;
  readonly inventory: KeyInventory;
  readonly device?: HeldDevice;
  readonly modules?: HeldModules;
}

/** The root of trust of the node's own keys, open, with its authority on it. */
export interface HeldDevice {
  readonly configuration: NotaryConfiguration;
  readonly root: RootOfTrust;
  readonly attestation: Attestation;
  readonly authority: IssuingAuthority;
  readonly tokens: TokenKeys;
  /** The device's own, towards the cloud; undefined where the root of trust cannot hold one. */
  readonly deviceKey: HeldKey | undefined;
}

/** The root of trust of modules' keys, open: the node's own unless there are two. */
export interface HeldModules {
  readonly configuration: NotaryConfiguration;
  readonly root: RootOfTrust;
  readonly moduleKeys: ModuleKeys;
  readonly hubKeys: HubKeys;
}

/** What is asked of a thread goes by its share: that it lacks the part is a mistake of ours. */
export function deviceIn({ device }: Held): HeldDevice {
  if (device) return device;
  throw new KeysteadError('Internal', "this thread holds none of the node's own keys");
}

export function modulesIn({ modules }: Held): HeldModules {
  if (modules) return modules;
  throw new KeysteadError('Internal', 'this thread holds no keys of modules');
}
