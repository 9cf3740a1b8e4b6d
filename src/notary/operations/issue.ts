// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { CertificateRequest, IssuedCertificate } from '../port.ts';
import type { Operation } from './operation.ts';
import { decodeRequester } from './requester.ts';

const MAX_DNS_NAME = 253;
const MAX_NAMES = 64;
const MAX_SPIFFE_ID = 2048;
const MAX_PUBLIC_KEY_BYTES = 1024;
const MAX_SECONDS = 2 ** 40;
const MAX_CHAIN = 8;
const MAX_CERTIFICATE_BASE64 = 64 * 1024;

export const issue: Operation<CertificateRequest, IssuedCertificate> = {
  encodeBody: (request) => ({ ...request, publicKey: request.publicKey.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      spiffeId: body.string('spiffeId', MAX_SPIFFE_ID),
      publicKey: body.bytes('publicKey', MAX_PUBLIC_KEY_BYTES),
      dnsNames: body.strings('dnsNames', MAX_NAMES, MAX_DNS_NAME),
      lifetimeSeconds: body.integer('lifetimeSeconds', -MAX_SECONDS, MAX_SECONDS),
      requester: decodeRequester(body.object('requester')),
    };
  },
  encodeResult: (issued) => ({ ...issued, chain: issued.chain.map((der) => der.toString('base64')) }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      chain: fields.strings('chain', MAX_CHAIN, MAX_CERTIFICATE_BASE64).map((text) => Buffer.from(text, 'base64')),
      serial: fields.string('serial', 40),
      notBefore: fields.integer('notBefore', 0, Number.MAX_SAFE_INTEGER),
      notAfter: fields.integer('notAfter', 0, Number.MAX_SAFE_INTEGER),
    };
  },
};
