// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { DerReader } from '../../../src/issue/der-reader.ts';
import { DerWriter } from '../../../src/issue/der-writer.ts';
import {
  isCa,
  readCertificate,
  serialHex,
  subjectAltNames,
  subjectKeyIdentifierOf,
} from '../../../src/issue/certificate-reader.ts';
import { checkP256PublicKey, keyIdentifier } from '../../../src/issue/public-key.ts';
import { pemOf } from '../../../src/issue/pem.ts';
import { decodeValidity, writeValidity, type Validity } from '../../../src/issue/validity.ts';
import { readAnchors } from '../../../src/trust/anchors.ts';
import { CERTIFICATES, PUBLIC_KEYS, REQUESTS } from '../corpus/der.ts';
import { mutateDer } from '../mutations/der.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const NOW = Date.UTC(2026, 10, 22);
const validities = [NOW + 1000, Date.UTC(2060, 1)].map((notAfter) => written({ notBefore: NOW, notAfter }));

function written(validity: Validity): Buffer {
  const writer = new DerWriter();
  writeValidity(writer, validity);
  return writer.view();
}

/** Goes into everything that may hold elements. */
function walk(reader: DerReader): number {
  let count = 0;
  for (let tag = reader.peek(); tag !== undefined; tag = reader.peek()) {
    count += 1 + (tag & 0x20 ? walk(reader.enter(tag, 'element')) : reader.read(tag, 'element').length * 0);
  }
  return count;
}

/** Whatever this reader takes, OpenSSL must understand in the same way where it understands it at all. */
function certificate(der: Buffer): unknown {
  const read = readCertificate(der);
  const facts = [subjectAltNames(read), subjectKeyIdentifierOf(read), serialHex(read.serial)] as const;
  const ca = isCa(read);
  const other = openssl(der);
  // OpenSSL says "no CA" also of a CA with a constraint that it finds wrong; the other way round would be a hole.
  if (other?.ca === true) must(ca, 'a CA to OpenSSL is a CA to us');
  if (other) must(BigInt(`0x${other.serialNumber}`) === BigInt(`0x${facts[2]}`), 'the same serial number');
  return facts;
}

function openssl(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

const pems = [CERTIFICATES.map(pemOf).join(''), CERTIFICATES.slice(0, 1).map(pemOf).join('# comment\n')];
const PEM_WORDS = [
  '-----BEGIN CERTIFICATE-----',
  '-----END CERTIFICATE-----',
  '-----BEGIN PRIVATE KEY-----',
  '-----',
  'BEGIN ',
  '\n',
];

export const DER_TARGETS: readonly Target[] = [
  target({
    name: 'der',
    weight: 3,
    corpus: [...CERTIFICATES, ...PUBLIC_KEYS, ...REQUESTS],
    mutate: mutateDer,
    read: (der) => walk(new DerReader(der)),
  }),
  target({ name: 'certificate', weight: 2, corpus: CERTIFICATES, mutate: mutateDer, read: certificate }),
  target({
    name: 'public-key',
    weight: 1,
    corpus: PUBLIC_KEYS,
    mutate: mutateDer,
    read: (spki) => keyIdentifier(spki),
  }),
  target({
    name: 'public-key-p256',
    weight: 1,
    corpus: PUBLIC_KEYS.slice(0, 1),
    mutate: mutateDer,
    read: checkP256PublicKey,
  }),
  target({
    name: 'validity',
    weight: 1,
    corpus: validities,
    mutate: mutateDer,
    read: (der) => {
      const { notBefore, notAfter } = decodeValidity(new DerReader(der).enter(0x30, 'validity'));
      must(Number.isFinite(notBefore) && Number.isFinite(notAfter), 'times are numbers');
    },
  }),
  target({
    name: 'trust-anchors',
    weight: 0.5,
    corpus: pems,
    mutate: (pem, dice) => mutateText(pem, dice, PEM_WORDS, pems),
    read: (pem) => {
      const { anchors, problems } = readAnchors([{ name: 'source', pem }], NOW);
      must(
        anchors.length > 0 || problems.length > 0 || pem.includes('CERTIFICATE'),
        'a source gives anchors or a problem',
      );
      return anchors.length > 0;
    },
  }),
];
