// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import type { Credentials } from '../deliver/port.ts';
import { fitting, serialOf, type Wanted } from '../issue/credentials.ts';
import { secretName, type Issued } from './holding.ts';

/** A volume does not say which key in the token it is for; what is known of the same certificate does. */
export function withHeldKey(found: Credentials, before: Issued | undefined): Credentials {
  if (found.privateKey !== undefined || !before?.heldKey) return found;
  return serialOf(found.chain) === before.serial ? { ...found, heldKey: before.heldKey } : found;
}

/** What is known of a certificate that stays: of the same one all that was known before. */
export function keptOf(
  { serial, notBefore, notAfter }: Pick<Issued, 'serial' | 'notBefore' | 'notAfter'>,
  before: Issued | undefined,
  wanted: Wanted,
): Omit<Issued, 'renewalTime'> {
  const same = before?.serial === serial ? before : undefined;
  const heldKey = wanted.key && before?.heldKey;
  return {
    ...{ serial, notBefore, notAfter, ...deviceOf(wanted) },
    revision: same?.revision ?? (before?.revision ?? 0) + 1,
    ...(heldKey && { heldKey }),
    ...(same?.chain !== undefined && { chain: same.chain }),
    ...(same?.secret !== undefined && { secret: same.secret }),
  };
}

/** Whether the identity names a Secret that is known not to have what was issued before. */
export function lacksSecret(identity: ModuleIdentity, { key }: Wanted, before: Issued | undefined): boolean {
  const name = secretName(identity);
  return name !== undefined && !key && before?.secret !== undefined && before.secret !== name;
}

/** What was issued into a Secret, unless it is known to be for other names, another lifetime or another issuer. */
export function fittingBefore(before: Issued | undefined, wanted: Wanted): Issued | undefined {
  return before?.chain === undefined || fitting(before.chain, wanted) ? before : undefined;
}

/** Of what was issued before its device was noted nobody knows. */
export function isOfDevice({ deviceUid }: Issued, wanted: Wanted): boolean {
  return deviceUid === undefined || wanted.deviceUid === undefined || deviceUid === wanted.deviceUid;
}

/** The device under which something is issued, where it is known. */
export function deviceOf({ deviceUid }: Wanted): Pick<Issued, 'deviceUid'> {
  return deviceUid === undefined ? {} : { deviceUid };
}
