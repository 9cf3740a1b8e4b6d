// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { KeyGenerations } from './key-generations.ts';
import type { HeldKey, RootOfTrust } from './root-of-trust/port.ts';

/**
 * The key by which the device itself speaks to the cloud (mutual TLS), apart from the CA's. Made at first use of the root
 * of trust. Undefined where that has no room or no P-256: modules' identities do not wait for it.
 */
export function deviceKey(
  root: RootOfTrust,
  home: { readonly trustDomain: string; readonly node: string },
  log: Logger,
): HeldKey | undefined {
  const { trustDomain, node } = home;
  try {
    const keys = new KeyGenerations(root, { purpose: 'device', trustDomain, node }, log);
    return keys.obtain(Math.max(1, keys.newest()), 'EC-P256');
  } catch (thrown) {
    const { code, message } = asKeysteadError(thrown);
    log.warn({ code, err: message }, 'there is no device identity key');
    return undefined;
  }
}
