// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { CertificateRequest, IssuedCertificate } from '../port.ts';
import { decodeIssued, decodeNames, encodeIssued } from './certificate.ts';
import type { Operation } from './operation.ts';

const MAX_PUBLIC_KEY_BYTES = 1024;

export const issue: Operation<CertificateRequest, IssuedCertificate> = {
  encodeBody: (request) => ({ ...request, publicKey: request.publicKey.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    return { ...decodeNames(body), publicKey: body.bytes('publicKey', MAX_PUBLIC_KEY_BYTES) };
  },
  encodeResult: encodeIssued,
  decodeResult: (result) => decodeIssued(new Fields(result, 'result')),
};
