// SPDX-License-Identifier: Apache-2.0
import { timingSafeEqual } from 'node:crypto';
import type {
  EdgeDevice,
  EdgeDeviceSpecMeasuredBoot,
  EdgeDeviceStatusAttesterAnswer,
  EdgeDeviceStatusIntegrityVerified,
} from '../api/v1alpha1/edge-device.ts';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { timestamp } from '../identity/holding.ts';
import { TPM_ALG } from '../tpm/constants.ts';
import { nameOf, parsePublic } from '../tpm/public-area.ts';
import { verifyQuote, type QuoteFacts } from '../tpm/verify-quote.ts';
import type { AttesterKeys } from './attester-keys.ts';
import type { OpenChallenge } from './challenge.ts';
import { checkEndorsement, endorsementKeyHash } from './endorsement.ts';

const MAX_SUBJECT = 1024;

export interface PcrEntry {
  readonly index: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** What came out, as the condition IntegrityVerified says it. */
export interface Judgement {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** Of an authentic quote: the values that it proved, and the TPM that did. */
  readonly pcrs?: readonly PcrEntry[];
  readonly endorsementKey?: string;
  /** Of one that is as expected, or of which nothing is expected. */
  readonly verified?: EdgeDeviceStatusIntegrityVerified;
}

/** Whose endorsement key it is, and who vouches for it. Throws AttestationDenied with the reason before the colon. */
export function checkAttester(device: EdgeDevice, keys: AttesterKeys, now: number): { certifiedBy?: string } {
  const boot = measuredBootOf(device);
  const key = parsePublic(keys.endorsementKey, 'AttestationDenied');
  const expected = boot.endorsementKey ?? remembered(device)?.endorsementKey;
  const found = endorsementKeyHash(key);
  if (expected !== undefined && found !== expected) {
    const reason = boot.endorsementKey === undefined ? 'EndorsementKeyChanged' : 'EndorsementKeyMismatch';
    const remedy = 'if the TPM was exchanged on purpose, run keystead device learn again';
    throw denied(reason, `the TPM with endorsement key ${expected}`, `${found}; ${remedy}`);
  }
  if (boot.endorsementRoots === undefined) return {};
  const certificate = keys.endorsementCertificate;
  return { certifiedBy: checkEndorsement({ key, certificate, roots: boot.endorsementRoots, now }) };
}

/** Judges the answer to a challenge. Never throws: what is wrong with it is the judgement. */
export function judge(device: EdgeDevice, open: OpenChallenge, now: number): Judgement {
  const answer = device.status?.attester?.answer;
  try {
    if (answer?.failure) return failed(answer.failure);
    const attester = checkAttester(device, open.keys, now);
    checkSecret(answer, open);
    const { facts, pcrs } = quoted(answer, open);
    const { learned } = measuredBootOf(device);
    const verified = proven(open, { facts, ...attester, learned, now });
    const before = remembered(device);
    if (before) checkResets(before, verified);
    return compared(device, { pcrs, verified });
  } catch (thrown) {
    return refused(thrown);
  }
}

/** An error with its reason before the colon, as a judgement. */
export function refused(thrown: unknown): Judgement {
  const { message } = asKeysteadError(thrown);
  const [, reason, rest] = /^([A-Z][A-Za-z]+): (.*)$/s.exec(message) ?? [];
  if (reason !== undefined && rest !== undefined) return { status: 'False', reason, message: rest };
  return { status: 'False', reason: 'EvidenceMalformed', message };
}

function failed({ reason, message }: { readonly reason: string; readonly message: string }): Judgement {
  // The TPM itself says that the credential was made for another endorsement key or another attestation key.
  if (reason === 'KeyUnfit') return { status: 'False', reason: 'CredentialRefused', message };
  return { status: 'Unknown', reason: 'QuoteFailed', message: `${reason}: ${message}` };
}

function checkSecret(answer: EdgeDeviceStatusAttesterAnswer | undefined, { secret }: OpenChallenge): void {
  const found = octets(answer?.secret);
  if (found.length === secret.length && timingSafeEqual(found, secret)) return;
  const expected = 'the secret that only the TPM of the endorsement key with this attestation key gives';
  throw denied('CredentialMismatch', expected, 'another; the attestation key is not in that TPM');
}

function quoted(
  answer: EdgeDeviceStatusAttesterAnswer | undefined,
  { nonce, keys, pcrs: asked }: OpenChallenge,
): { facts: QuoteFacts; pcrs: PcrEntry[] } {
  const pcrs = [...(answer?.pcrs ?? [])].sort((a, b) => a.index - b.index);
  const values = new Map(pcrs.map(({ index, sha256 }) => [index, Buffer.from(sha256, 'hex')]));
  const missing = asked.filter((pcr) => values.get(pcr)?.length !== 32);
  if (missing.length > 0) throw denied('PcrSelectionMismatch', `values of PCR ${missing.join(', ')}`, 'none');
  const facts = verifyQuote(
    { attest: octets(answer?.attest), signature: octets(answer?.signature) },
    { attestationKey: keys.attestationKey, nonce, selection: { hash: TPM_ALG.sha256, pcrs: asked }, values },
  );
  return { facts, pcrs: pcrs.filter(({ index }) => asked.includes(index)) };
}

/** Compares what an authentic quote proved with what is expected. */
function compared(device: EdgeDevice, proven: Proven): Judgement {
  const { pcrs, verified } = proven;
  const authentic = { pcrs, endorsementKey: verified.endorsementKey };
  const expected = measuredBootOf(device).pcrs;
  if (expected.length === 0) {
    const message = 'The quote is authentic, but no values are expected: run keystead device learn.';
    return { status: 'Unknown', reason: 'NothingExpected', message, ...authentic, verified };
  }
  const found = new Map(pcrs.map(({ index, sha256 }) => [index, sha256]));
  const wrong = expected.filter(({ index, sha256 }) => !sha256.includes(found.get(index) ?? ''));
  if (wrong.length === 0) {
    const message = `The TPM proved the expected values of PCR ${expected.map(({ index }) => index).join(', ')}.`;
    return { status: 'True', reason: 'Verified', message, ...authentic, verified };
  }
  const parts = wrong.map(
    ({ index, sha256 }) => `PCR ${index}: expected ${sha256.join(' or ')}, found ${found.get(index) ?? 'none'}`,
  );
  const remedy = 'if firmware, boot loader or kernel were changed on purpose, run keystead device learn again';
  return { status: 'False', reason: 'PcrMismatch', message: `${parts.join('; ')}; ${remedy}`, ...authentic };
}

interface Proven {
  readonly pcrs: readonly PcrEntry[];
  readonly verified: EdgeDeviceStatusIntegrityVerified;
}

function proven(
  { keys, bootID }: OpenChallenge,
  { facts, ...told }: { facts: QuoteFacts; certifiedBy?: string; learned: string | undefined; now: number },
): EdgeDeviceStatusIntegrityVerified {
  const attestationKey = parsePublic(keys.attestationKey);
  return {
    time: timestamp(told.now),
    bootID,
    resetCount: facts.resetCount,
    restartCount: facts.restartCount,
    endorsementKey: endorsementKeyHash(parsePublic(keys.endorsementKey)),
    ...(told.certifiedBy !== undefined && { certifiedBy: told.certifiedBy.slice(0, MAX_SUBJECT) }),
    attestationKey: nameOf(keys.attestationKey, attestationKey.nameAlgorithm).toString('hex'),
    ...(told.learned !== undefined && { learned: told.learned }),
  };
}

/**
 * The TPM starts with the machine and at no other time. One that was reset under a running kernel can be told any boot
 * that one likes; a kernel that was started without it (kexec) was measured by nobody.
 */
function checkResets(
  before: EdgeDeviceStatusIntegrityVerified,
  now: Pick<EdgeDeviceStatusIntegrityVerified, 'bootID' | 'resetCount'>,
): void {
  const remedy = 'reboot the machine; or, if you know why, run keystead device learn again';
  const sameBoot = before.bootID === now.bootID;
  const sameCount = before.resetCount === now.resetCount;
  if (sameBoot && !sameCount) {
    const expected = `the TPM as it was started with this boot (reset count ${before.resetCount})`;
    throw denied('TpmReset', expected, `reset count ${now.resetCount}; ${remedy}`);
  }
  if (!sameBoot && sameCount) {
    const found = `the same reset count ${now.resetCount} after another kernel was started (kexec); ${remedy}`;
    throw denied('TpmNotReset', 'a TPM that was started anew with this boot', found);
  }
}

/** What the last good quote proved, unless the device's owner has accepted the TPM's state anew since. */
function remembered({ spec, status }: EdgeDevice): EdgeDeviceStatusIntegrityVerified | undefined {
  const verified = status?.integrity?.verified;
  return verified?.learned === spec.measuredBoot?.learned ? verified : undefined;
}

export function measuredBootOf({ spec }: EdgeDevice): EdgeDeviceSpecMeasuredBoot {
  if (spec.measuredBoot) return spec.measuredBoot;
  throw new KeysteadError('Internal', 'a device without measured boot was judged');
}

function octets(base64 = ''): Buffer {
  return Buffer.from(base64, 'base64');
}

function denied(reason: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('AttestationDenied', `${reason}: expected ${expected}, found ${found}`);
}
