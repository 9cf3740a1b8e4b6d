// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { createHash, generateKeyPairSync, sign, webcrypto, type KeyObject } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { FoundSignature } from '../../../src/signature/port.ts';

export const INDEX = `sha256:${'1'.repeat(64)}`;
export const MANIFEST = `sha256:${'2'.repeat(64)}`;
export const IMAGE = { reference: 'registry.example.org/app:1', index: INDEX, manifest: MANIFEST };

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const ecKey = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const pem = ({ publicKey }: KeyPair): string => publicKey.export({ type: 'spki', format: 'pem' }).toString();

export function payloadFor(digest: string, type = 'cosign container image signature'): Buffer {
  const image = { 'docker-manifest-digest': digest };
  return Buffer.from(
    JSON.stringify({ critical: { identity: { 'docker-reference': 'app' }, image, type }, optional: null }),
  );
}

type SimpleSigning = Extract<FoundSignature, { format: 'SimpleSigning' }>;

/** As `cosign sign --key` leaves it. */
export function signedByKey({ privateKey }: KeyPair, payload = payloadFor(INDEX)): SimpleSigning {
  const algorithm = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return {
    format: 'SimpleSigning',
    payload,
    signature: sign(algorithm, payload, privateKey),
    certificates: '',
    logEntry: '',
  };
}

/** What `cosign sign` states of an image; attestations state other things. */
const SIGNED = 'https://sigstore.dev/cosign/sign/v1';

/** A bundle as newer versions of cosign leave it: an in-toto statement in a DSSE envelope. */
export function bundleByKey({ privateKey }: KeyPair, digest = INDEX, predicateType = SIGNED): FoundSignature {
  const payloadType = 'application/vnd.in-toto+json';
  const subject = [{ name: '', digest: { sha256: digest.replace('sha256:', '') } }];
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject,
    predicateType,
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const encoding = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} ${payload.toString()}`);
  const bundle = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: 'any' }, tlogEntries: [] },
    dsseEnvelope: {
      payloadType,
      payload: payload.toString('base64'),
      signatures: [{ sig: sign('sha256', encoding, privateKey).toString('base64') }],
    },
  };
  return { format: 'Bundle', bundle };
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const ISSUER_EXTENSION = '1.3.6.1.4.1.57264.1.1';
const MINUTE_MS = 60_000;

/** A Sigstore instance of our own: a certificate authority and a transparency log. */
export async function sigstoreInstance() {
  const caKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const log = ecKey();
  const logKey = log.publicKey.export({ type: 'spki', format: 'der' });
  const logId = createHash('sha256').update(logKey).digest();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=fulcio',
    keys: caKeys,
    notBefore: new Date(Date.now() - 10 * MINUTE_MS),
    notAfter: new Date(Date.now() + 60 * MINUTE_MS),
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, 1, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
  });
  const start = new Date(0).toISOString();
  const publicKey = { rawBytes: logKey.toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor: { start } };
  const trustedRoot = JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    certificateAuthorities: [
      {
        certChain: { certificates: [{ rawBytes: Buffer.from(root.rawData).toString('base64') }] },
        validFor: { start },
      },
    ],
    tlogs: [
      { baseUrl: 'https://log', hashAlgorithm: 'SHA2_256', publicKey, logId: { keyId: logId.toString('base64') } },
    ],
    ctlogs: [],
    timestampAuthorities: [],
  });
  const certificateFor = async (subject: string, issuer: string, keys: webcrypto.CryptoKeyPair): Promise<string> =>
    (
      await X509CertificateGenerator.create({
        subject: '',
        issuer: root.subject,
        notBefore: new Date(Date.now() - MINUTE_MS),
        notAfter: new Date(Date.now() + 9 * MINUTE_MS),
        publicKey: keys.publicKey,
        signingKey: caKeys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new SubjectAlternativeNameExtension([{ type: 'url', value: subject }], true),
          await AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
          new Extension(ISSUER_EXTENSION, false, Buffer.from(issuer)),
        ],
      })
    ).toString('pem');
  /** As keyless `cosign sign` leaves it in its first format. */
  const signedBy = async (subject: string, issuer: string, digest = INDEX): Promise<SimpleSigning> => {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificates = await certificateFor(subject, issuer, keys);
    const privateKey = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    const payload = payloadFor(digest);
    const signature = sign('sha256', payload, { key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' });
    const value = createHash('sha256').update(payload).digest('hex');
    const content = Buffer.from(certificates).toString('base64');
    const spec = {
      data: { hash: { algorithm: 'sha256', value } },
      signature: { content: signature.toString('base64'), publicKey: { content } },
    };
    const body = Buffer.from(JSON.stringify({ apiVersion: '0.0.1', kind: 'hashedrekord', spec })).toString('base64');
    const promise = { body, integratedTime: Math.floor(Date.now() / 1000), logID: logId.toString('hex'), logIndex: 7 };
    const SignedEntryTimestamp = sign('sha256', Buffer.from(JSON.stringify(promise)), log.privateKey).toString(
      'base64',
    );
    return {
      format: 'SimpleSigning',
      payload,
      signature,
      certificates,
      logEntry: JSON.stringify({ SignedEntryTimestamp, Payload: promise }),
    };
  };
  return { trustedRoot, signedBy };
}
