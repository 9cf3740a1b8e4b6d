// SPDX-License-Identifier: Apache-2.0
import { createAttestationKey } from '../../../src/notary/root-of-trust/tpm/attestation-key.ts';
import {
  algorithms,
  curves,
  handles,
  lockoutState,
  maker,
  pcrBanks,
  random,
} from '../../../src/notary/root-of-trust/tpm/capability.ts';
import { certifyCreation, certifyKey } from '../../../src/notary/root-of-trust/tpm/certification.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { activateCredential } from '../../../src/notary/root-of-trust/tpm/credential.ts';
import { permanent } from '../../../src/notary/root-of-trust/tpm/framing.ts';
import { hmacWith } from '../../../src/notary/root-of-trust/tpm/hmac.ts';
import { importKey, parseWrappedKey } from '../../../src/notary/root-of-trust/tpm/imported-key.ts';
import { findNvIndex, readNv } from '../../../src/notary/root-of-trust/tpm/nv-index.ts';
import {
  createPrimary,
  load,
  loadContext,
  loadExternal,
  readPublic,
  saveContext,
  signDigest,
  unseal,
} from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { extendPcr, readPcrs } from '../../../src/notary/root-of-trust/tpm/pcr.ts';
import { proveSecret, provenPolicy } from '../../../src/notary/root-of-trust/tpm/policy.ts';
import { makeQuote } from '../../../src/notary/root-of-trust/tpm/quote.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import type { AuthSession } from '../../../src/notary/root-of-trust/tpm/session.ts';
import type { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { bytes, RECORDED } from './recorded.ts';

export const object = permanent(0x80000000);
export const bank = TPM_ALG.sha256;
export const quoted = RECORDED.evidence['EC-P256'];
export const selection = { hash: bank, pcrs: [0, 1, 2, 3, 16] };
export const blobOf = (command: string): Buffer =>
  new TpmReader(bytes(RECORDED.responses[command]!.split(':').at(-1)!), command).sized();
const primary = blobOf('CreatePrimary');
export const storageKey = blobOf('ReadPublic');
const key = { publicArea: storageKey, privateArea: Buffer.alloc(0) };
const wrapped = parseWrappedKey(bytes(RECORDED.evidence.wrapped));

/** Each command of the table with the function that takes its response apart. */
export const OPERATIONS: readonly (readonly [string, (tpm: Tpm) => unknown])[] = [
  ['GetCapability of properties', (tpm) => [maker(tpm), lockoutState(tpm)]],
  ['GetCapability of algorithms', (tpm) => algorithms(tpm)],
  ['GetCapability of curves', (tpm) => curves(tpm)],
  ['GetCapability of banks', (tpm) => pcrBanks(tpm)],
  ['GetCapability of handles', (tpm) => handles(tpm, 0x40)],
  ['GetRandom', (tpm) => random(tpm, 16)],
  ['CreatePrimary', (tpm) => createPrimary(tpm, tpm.owner, primary)],
  ['Create', (tpm) => createAttestationKey(tpm, object)],
  ['Load', (tpm) => load(tpm, object, key)],
  ['LoadExternal', (tpm) => loadExternal(tpm, storageKey)],
  ['ReadPublic', (tpm) => readPublic(tpm, 0x81000001)],
  ['NV_ReadPublic', (tpm) => findNvIndex(tpm, 0x1500001)],
  ['NV_Read', (tpm) => readNv(tpm, 0x1500001)],
  ['PCR_Read', (tpm) => readPcrs(tpm, selection)],
  ['PCR_Extend', (tpm) => extendPcr(tpm, 16, { hash: bank, value: Buffer.alloc(32) })],
  ['Sign', (tpm) => signDigest(tpm, object, Buffer.alloc(32))],
  ['Quote', (tpm) => makeQuote(tpm, object, bytes(quoted.nonce), selection)],
  ['Certify', (tpm) => certifyKey(tpm, object, object, Buffer.alloc(8))],
  [
    'CertifyCreation',
    (tpm) =>
      certifyCreation(tpm, object, object, {
        nonce: Buffer.alloc(8),
        creation: { data: primary, hash: primary, ticket: primary },
      }),
  ],
  ['Unseal', (tpm) => unseal(tpm, object)],
  ['ContextSave', (tpm) => loadContext(tpm, saveContext(tpm, object.handle))],
  ['HMAC', (tpm) => hmacWith(tpm, object, Buffer.from('x'))],
  ['PolicySecret', (tpm) => tpm.withPolicySession((session) => provenAfter(tpm, session))],
  ['ActivateCredential', (tpm) => activateCredential(tpm, object, object, wrapped.credential)],
  ['Import', (tpm) => importKey(tpm, { storage: object, endorsement: object }, wrapped)],
];

function provenAfter(tpm: Tpm, session: AuthSession): Buffer {
  proveSecret(tpm, session, tpm.endorsement);
  return provenPolicy(tpm, session);
}
