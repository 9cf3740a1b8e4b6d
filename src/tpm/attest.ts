// SPDX-License-Identifier: Apache-2.0
import { TPM_ST } from './constants.ts';
import { readSelection, type PcrSelection } from './pcr-selection.ts';
import { TpmReader } from './reader.ts';

/** TPM_GENERATED_VALUE, "\xffTCG": restricted keys sign it only for what the TPM itself made (Part 2, 6.2). */
const TPM_GENERATED = 0xff544347;

/**
 * TPMS_CLOCK_INFO (Part 2, 10.11.1). Where the signing key is not of the endorsement hierarchy, the TPM adds to both
 * counts (modulo 2^32) and to the firmware version a constant of that key (Part 1, 36.7): only differences are true.
 */
export interface ClockInfo {
  /** Milliseconds of running time since the TPM was made or cleared. */
  readonly clock: bigint;
  /** Starts of the TPM: grows with each reboot. */
  readonly resetCount: number;
  /** Resumes from sleep since then. */
  readonly restartCount: number;
  /** False where the clock may have gone back after a power loss. */
  readonly safe: boolean;
}

interface Common {
  readonly qualifiedSigner: Buffer;
  /** What the challenger gave: the nonce. */
  readonly extraData: Buffer;
  readonly clockInfo: ClockInfo;
  readonly firmwareVersion: bigint;
}

export interface QuoteAttest extends Common {
  readonly type: typeof TPM_ST.attestQuote;
  readonly selections: readonly PcrSelection[];
  readonly pcrDigest: Buffer;
}

export interface CertifyAttest extends Common {
  readonly type: typeof TPM_ST.attestCertify;
  readonly name: Buffer;
  readonly qualifiedName: Buffer;
}

export interface CreationAttest extends Common {
  readonly type: typeof TPM_ST.attestCreation;
  readonly name: Buffer;
  readonly creationHash: Buffer;
}

export type Attest = QuoteAttest | CertifyAttest | CreationAttest;

/**
 * Reads a whole TPMS_ATTEST (Part 2, 10.12.12). The signature is over these very octets: they are kept and verified as
 * they came, never written anew. Throws AttestationDenied.
 */
export function parseAttest(octets: Buffer): Attest {
  const reader = new TpmReader(octets, 'TPMS_ATTEST', 'AttestationDenied');
  const magic = reader.u32();
  if (magic !== TPM_GENERATED) throw reader.fail(`magic 0x${magic.toString(16)}, which no TPM made`);
  const type = reader.u16();
  const common = {
    qualifiedSigner: reader.sized(),
    extraData: reader.sized(),
    clockInfo: readClock(reader),
    firmwareVersion: reader.u64(),
  };
  const attest = readAttested(reader, type, common);
  reader.end();
  return attest;
}

function readClock(reader: TpmReader): ClockInfo {
  const fields = { clock: reader.u64(), resetCount: reader.u32(), restartCount: reader.u32() };
  const safe = reader.u8();
  if (safe > 1) throw reader.fail(`a TPMI_YES_NO of ${safe}`);
  return { ...fields, safe: safe === 1 };
}

function readAttested(reader: TpmReader, type: number, common: Common): Attest {
  switch (type) {
    case TPM_ST.attestQuote:
      return { ...common, type, selections: readSelection(reader), pcrDigest: reader.sized() };
    case TPM_ST.attestCertify:
      return { ...common, type, name: reader.sized(), qualifiedName: reader.sized() };
    case TPM_ST.attestCreation:
      return { ...common, type, name: reader.sized(), creationHash: reader.sized() };
    default:
      throw reader.fail(`attestation type 0x${type.toString(16)}`);
  }
}
