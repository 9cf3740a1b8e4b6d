// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { KeyEvidence, TpmEvidence } from '../notary/key-evidence.ts';
import { parseAttest } from '../tpm/attest.ts';
import { TPM_ST } from '../tpm/constants.ts';
import { nameOf, parsePublic } from '../tpm/public-area.ts';
import { verifyResidency } from '../tpm/verify-residency.ts';
import { checkEndorsement } from './endorsement.ts';

/** What evidence of a key says, and how much of it is proven. */
export interface Statement {
  /** Proven: by a signature that was checked. Claimed: by who may be wrong or lie. Refuted: what should hold does not. */
  readonly level: 'Proven' | 'Claimed' | 'Refuted';
  readonly text: string;
}

/** What the verifier knows by another way; each turns a claim into a proof. */
export interface Known {
  readonly nonce?: Buffer;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey?: Buffer;
  /** Name of the attestation key that the controller has verified, hexadecimal. */
  readonly attestationKey?: string;
  /** PEM of TPM makers' certificates. */
  readonly roots?: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Says of evidence what is proven and what is only claimed. Pure; nothing is asked of any TPM or network. */
export function keyStatements(evidence: KeyEvidence, known: Known): Statement[] {
  return [
    ...residence(evidence, known),
    ...sameKey(evidence, known),
    claimed(`at ${evidence.time} it was ${useOf(evidence)}`),
  ];
}

function useOf({ node, key: { purpose, owner } }: KeyEvidence): string {
  if (purpose === 'Module') return `the key of module ${owner ?? 'unknown'} on node ${node}`;
  return `the ${purpose.toLowerCase()} key of node ${node}`;
}

function residence(evidence: KeyEvidence, known: Known): Statement[] {
  const { tpm, token, vendorAttestation } = evidence;
  if (tpm) return ofTpm(evidence, tpm, known);
  if (token.kind === 'Software') {
    return [claimed('software: the key is in no hardware; who controls the node can have it')];
  }
  const vendor = vendorAttestation
    ? [claimed(`it comes with an attestation of format ${vendorAttestation.format}, which this program cannot verify`)]
    : [];
  return [...ofToken(evidence), ...vendor];
}

function ofToken({ token, key }: KeyEvidence): Statement[] {
  const { kind, label, serial, manufacturer, model } = token;
  const { sensitive, extractable, neverExtractable, local } = key.attributes;
  const place = `${kind} token "${label}" (serial ${serial}, ${[manufacturer, model].filter(Boolean).join(' ')})`;
  const attributes = `sensitive ${sensitive}, extractable ${extractable}, never extractable ${neverExtractable}, made there ${local}`;
  return [
    claimed(`the key is in the ${place}: claimed by the token, not proven`),
    extractable
      ? refuted(`the token says that the key can leave it`)
      : claimed(`${attributes}: claimed by the token, not proven`),
  ];
}

function ofTpm(evidence: KeyEvidence, tpm: TpmEvidence, known: Known): Statement[] {
  try {
    const nonce = octets(evidence.nonce);
    const attestationKey = octets(tpm.attestationKey);
    const expected = { attestationKey, nonce, publicArea: octets(tpm.publicArea) };
    const key = verifyResidency(signed(tpm.presence), expected);
    verifyResidency(signed(tpm.creation), expected);
    checkCreation(tpm.creation);
    if (!key.equals(octets(evidence.key.publicKey)))
      throw new KeysteadError('AttestationDenied', 'KeyMismatch: the evidence is about another key');
    const name = nameOf(attestationKey, parsePublic(attestationKey).nameAlgorithm).toString('hex');
    return [
      proven(`the key was made in the TPM that holds the attestation key ${name}, and cannot leave it`),
      ...fresh(nonce, known),
      ...attester(name, known),
      ...maker(tpm, known),
    ];
  } catch (thrown) {
    return [refuted(asKeysteadError(thrown).message)];
  }
}

/** The TPM signs a digest of the creation data, not the data. */
function checkCreation({ attest, data }: TpmEvidence['creation']): void {
  const statement = parseAttest(octets(attest));
  const digest = createHash('sha256').update(octets(data)).digest();
  if (statement.type === TPM_ST.attestCreation && statement.creationHash.equals(digest)) return;
  throw new KeysteadError('AttestationDenied', 'CreationMismatch: the creation data is not what the TPM has signed');
}

function fresh(nonce: Buffer, known: Known): Statement[] {
  if (!known.nonce) return [claimed('it was made for the nonce in it: give --nonce with the one that you asked for')];
  return known.nonce.equals(nonce)
    ? [proven('it was made after you asked for it: it holds your nonce')]
    : [refuted('it holds another nonce than yours: it was made for another question')];
}

function attester(name: string, { attestationKey }: Known): Statement[] {
  if (attestationKey === undefined) {
    const remedy =
      'give --attestation-key with EdgeDevice.status.integrity.verified.attestationKey, which the controller proved';
    return [claimed(`the attestation key is in the TPM of the endorsement key beside it: ${remedy}`)];
  }
  return attestationKey.toLowerCase() === name
    ? [proven('the attestation key is the one that you know')]
    : [refuted(`the attestation key is not the one that you know, ${attestationKey}`)];
}

function maker({ endorsementKey, endorsementCertificate }: TpmEvidence, { roots, now }: Known): Statement[] {
  if (roots === undefined || endorsementKey === undefined) {
    return [claimed('the TPM is a genuine one: give --endorsement-roots with the certificates of its maker')];
  }
  const certificate = endorsementCertificate === undefined ? undefined : octets(endorsementCertificate);
  const key = parsePublic(octets(endorsementKey), 'AttestationDenied');
  return [proven(`the endorsement key is one that ${checkEndorsement({ key, certificate, roots, now })} vouches for`)];
}

function sameKey({ key }: KeyEvidence, { publicKey }: Known): Statement[] {
  if (!publicKey) return [];
  return publicKey.equals(octets(key.publicKey))
    ? [proven('the evidence is about the key that you gave')]
    : [refuted('the evidence is about another key than the one that you gave')];
}

const proven = (text: string): Statement => ({ level: 'Proven', text });
const claimed = (text: string): Statement => ({ level: 'Claimed', text });
const refuted = (text: string): Statement => ({ level: 'Refuted', text });

function octets(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

function signed({ attest, signature }: TpmEvidence['presence']): { attest: Buffer; signature: Buffer } {
  return { attest: octets(attest), signature: octets(signature) };
}
