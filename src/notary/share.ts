// SPDX-License-Identifier: Apache-2.0
import type { NotaryConfiguration } from './port.ts';
import { placeOf, tpmPlace } from './root-of-trust/opener.ts';

/** Which keys a thread holds now: the node's own, those of modules, or both where they lie in one place. */
export type Share = 'All' | 'Device' | 'Modules';

/** What a thread is started for. That of modules' keys writes none of the records that belong to the node's. */
export type Role = 'Device' | 'Modules';

/** Where the node's own keys lie and where those of modules; the same where one thread has to hold both. */
export interface Places {
  readonly device: string;
  readonly modules: string;
  /** The TPM that attests, where that is another place; the thread of the node's keys uses it too. */
  readonly attester?: string;
}

/**
 * A thread of its own for modules' keys keeps a token of theirs that is slow from holding up the node's. They share one
 * where they share a library or a TPM, and where the PIN of the modules' token is sealed: what unseals it is the node's.
 */
export function placesOf({ rootOfTrust, measuredBoot }: NotaryConfiguration): Places {
  const { modules, ...own } = rootOfTrust;
  const device = placeOf(own);
  const attester = measuredBoot?.tpm && tpmPlace(measuredBoot.tpm);
  const places = { device, modules: device, ...(attester !== undefined && { attester }) };
  if (!modules || ('pkcs11' in modules && modules.pkcs11.sealPin)) return places;
  const place = placeOf(modules);
  return place === attester ? places : { ...places, modules: place };
}
