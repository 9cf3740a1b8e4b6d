// SPDX-License-Identifier: Apache-2.0
import type { Fields } from '../fields.ts';
import type { CertificateRequest, IssuedCertificate } from '../port.ts';
import { decodeRequester } from './requester.ts';

const MAX_DNS_NAME = 253;
const MAX_NAMES = 64;
const MAX_SPIFFE_ID = 2048;
const MAX_SECONDS = 2 ** 40;
const MAX_CHAIN = 8;
const MAX_CERTIFICATE_BASE64 = 64 * 1024;

/** What all requests for a certificate say, whatever key it is for. */
export function decodeNames(body: Fields): Omit<CertificateRequest, 'publicKey'> {
  return {
    spiffeId: body.string('spiffeId', MAX_SPIFFE_ID),
    dnsNames: body.strings('dnsNames', MAX_NAMES, MAX_DNS_NAME),
    lifetimeSeconds: body.integer('lifetimeSeconds', -MAX_SECONDS, MAX_SECONDS),
    requester: decodeRequester(body.object('requester')),
    ...(body.has('byModule') && { byModule: body.boolean('byModule') }),
  };
}

export function encodeIssued({ chain, serial, notBefore, notAfter }: IssuedCertificate): Record<string, unknown> {
  return { chain: chain.map((der) => der.toString('base64')), serial, notBefore, notAfter };
}

export function decodeIssued(fields: Fields): IssuedCertificate {
  return {
    chain: fields.strings('chain', MAX_CHAIN, MAX_CERTIFICATE_BASE64).map((text) => Buffer.from(text, 'base64')),
    serial: fields.string('serial', 40),
    notBefore: fields.integer('notBefore', 0, Number.MAX_SAFE_INTEGER),
    notAfter: fields.integer('notAfter', 0, Number.MAX_SAFE_INTEGER),
  };
}
