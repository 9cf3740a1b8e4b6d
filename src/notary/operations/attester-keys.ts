// SPDX-License-Identifier: Apache-2.0
import type { AttesterKeys } from '../attestation-port.ts';
import { Fields } from '../fields.ts';
import { noBody, type NoBody, type Operation } from './operation.ts';

const MAX_PUBLIC_AREA = 2048;
const MAX_CERTIFICATE = 8192;

export const attesterKeys: Operation<NoBody, AttesterKeys> = {
  ...noBody,
  encodeResult: ({ endorsementKey, attestationKey, endorsementCertificate }) => ({
    endorsementKey: endorsementKey.toString('base64'),
    attestationKey: attestationKey.toString('base64'),
    ...(endorsementCertificate && { endorsementCertificate: endorsementCertificate.toString('base64') }),
  }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      endorsementKey: fields.bytes('endorsementKey', MAX_PUBLIC_AREA),
      attestationKey: fields.bytes('attestationKey', MAX_PUBLIC_AREA),
      ...(fields.has('endorsementCertificate') && {
        endorsementCertificate: fields.bytes('endorsementCertificate', MAX_CERTIFICATE),
      }),
    };
  },
};
