// SPDX-License-Identifier: Apache-2.0
import { MAX_REQUEST_BYTES } from '../../issue/certification-request.ts';
import { Fields } from '../fields.ts';
import type { IssueFromRequestRequest } from '../key-port.ts';
import type { IssuedCertificate } from '../port.ts';
import { decodeIssued, decodeNames, encodeIssued } from './certificate.ts';
import type { Operation } from './operation.ts';

export const issueFromRequest: Operation<IssueFromRequestRequest, IssuedCertificate> = {
  encodeBody: (request) => ({ ...request, certificationRequest: request.certificationRequest.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    return { ...decodeNames(body), certificationRequest: body.bytes('certificationRequest', MAX_REQUEST_BYTES) };
  },
  encodeResult: encodeIssued,
  decodeResult: (result) => decodeIssued(new Fields(result, 'result')),
};
