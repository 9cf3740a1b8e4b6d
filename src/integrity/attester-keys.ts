// SPDX-License-Identifier: Apache-2.0
import type { EdgeDeviceStatusAttester } from '../api/v1alpha1/edge-device.ts';

/** The keys of a TPM that attests, as its node says; nothing of it is believed before it is proven. */
export interface AttesterKeys {
  /** TPMT_PUBLIC. */
  readonly endorsementKey: Buffer;
  /** TPMT_PUBLIC. */
  readonly attestationKey: Buffer;
  /** DER. */
  readonly endorsementCertificate?: Buffer;
}

/** The keys that EdgeDevice.status.attester tells; undefined where it tells none. */
export function keysOf(attester: EdgeDeviceStatusAttester | undefined): AttesterKeys | undefined {
  const { endorsementKey, attestationKey, endorsementCertificate } = attester ?? {};
  if (endorsementKey === undefined || attestationKey === undefined) return undefined;
  return {
    endorsementKey: Buffer.from(endorsementKey, 'base64'),
    attestationKey: Buffer.from(attestationKey, 'base64'),
    ...(endorsementCertificate !== undefined && {
      endorsementCertificate: Buffer.from(endorsementCertificate, 'base64'),
    }),
  };
}

export function sameKeys(a: AttesterKeys, b: AttesterKeys): boolean {
  return a.endorsementKey.equals(b.endorsementKey) && a.attestationKey.equals(b.attestationKey);
}
