// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { TPM_ALG } from '../../../tpm/constants.ts';
import { digest, hashOf } from '../../../tpm/key-derivation.ts';
import { encodeSelection, readSelection, type PcrSelection, type PcrValues } from '../../../tpm/pcr-selection.ts';
import { u16, u32 } from '../../../tpm/writer.ts';
import { permanent } from './framing.ts';
import type { Tpm } from './tpm.ts';

/** Each round of PCR_Read gives at most eight values; four rounds are more than 24 PCRs need. */
const MAX_ROUNDS = 6;

/**
 * Values of PCRs of one bank, all of the same moment: read again when something was extended in between. Throws
 * MechanismMissing where the bank or a PCR does not exist.
 */
export function readPcrs(tpm: Tpm, { hash, pcrs }: PcrSelection): PcrValues {
  const values = new Map<number, Buffer>();
  let counter: number | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const missing = pcrs.filter((pcr) => !values.has(pcr));
    if (missing.length === 0) return values;
    const read = readRound(tpm, { hash, pcrs: missing });
    if (counter !== undefined && read.counter !== counter) values.clear();
    else for (const [pcr, value] of read.values) values.set(pcr, value);
    counter = read.counter;
    if (read.values.size === 0) break;
  }
  if (pcrs.every((pcr) => values.has(pcr))) return values;
  const found = `values of PCR ${[...values.keys()].join(', ') || 'none'}`;
  const remedy = 'switch this bank on in the firmware, or choose another bank';
  throw new KeysteadError(
    'MechanismMissing',
    `PCR bank 0x${hash.toString(16)}: expected PCR ${pcrs.join(', ')}, found ${found}; ${remedy}`,
  );
}

/** TPM2_PCR_Read. */
function readRound(tpm: Tpm, selection: PcrSelection): { counter: number; values: PcrValues } {
  const { parameters } = tpm.execute('PCR_Read', { parameters: encodeSelection([selection]) });
  const counter = parameters.u32();
  const selected = readSelection(parameters).flatMap((bank) => (bank.hash === selection.hash ? bank.pcrs : []));
  const digests = parameters.list(2, (reader) => reader.sized());
  parameters.end();
  if (digests.length !== selected.length) {
    throw parameters.fail(`${digests.length} values for ${selected.length} PCRs`);
  }
  const length = hashOf(selection.hash).bytes;
  if (digests.some((value) => value.length !== length)) throw parameters.fail(`values not of ${length} octets`);
  return { counter, values: new Map(selected.map((pcr, index) => [pcr, digests[index] ?? Buffer.alloc(0)])) };
}

/** TPM2_PCR_Extend: `value` becomes part of the PCR for as long as the machine runs. */
export function extendPcr(tpm: Tpm, pcr: number, { hash, value }: { hash: number; value: Buffer }): void {
  if (value.length !== hashOf(hash).bytes) {
    throw new KeysteadError(
      'InvalidRequest',
      `PCR extend: expected ${hashOf(hash).bytes} octets, found ${value.length}`,
    );
  }
  const parameters = Buffer.concat([u32(1), u16(hash), value]);
  tpm.execute('PCR_Extend', { handles: [permanent(pcr)], parameters }).parameters.end();
}

/** TPM2_PCR_Reset: back to zeros, which locality 0 may do with PCR 16 and 23 alone (PC Client Platform TPM Profile, 4.6.2). */
export function resetPcr(tpm: Tpm, pcr: number): void {
  tpm.execute('PCR_Reset', { handles: [permanent(pcr)] }).parameters.end();
}

const RESETTABLE: ReadonlySet<number> = new Set([16, 23]);

/**
 * Measures digests into a PCR of the SHA-256 bank that nobody else extends. What is there already stays, so that a restart
 * changes nothing; anything else is reset first where the PCR can be, and extended where it cannot.
 */
export function measureInto(tpm: Tpm, pcr: number, digests: readonly Buffer[]): void {
  const hash = TPM_ALG.sha256;
  const zeros: Buffer = Buffer.alloc(hashOf(hash).bytes);
  const wanted = digests.reduce((value, measured) => digest(hash, value, measured), zeros);
  const found = readPcrs(tpm, { hash, pcrs: [pcr] }).get(pcr);
  if (found?.equals(wanted)) return;
  if (RESETTABLE.has(pcr) && !found?.equals(zeros)) resetPcr(tpm, pcr);
  for (const value of digests) extendPcr(tpm, pcr, { hash, value });
}
