// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { permanent } from './framing.ts';
import { digest, hashOf } from './key-derivation.ts';
import { TpmReader } from './reader.ts';
import type { Tpm } from './tpm.ts';
import { list, u16, u32, u8 } from './writer.ts';

/** PCRs of one bank, ascending. */
export interface PcrSelection {
  /** Bank, as TPM_ALG_ID of its digest. */
  readonly hash: number;
  readonly pcrs: readonly number[];
}

/** Values by number of the PCR, of one bank. */
export type PcrValues = ReadonlyMap<number, Buffer>;

/** PC Client TPMs have 24 PCRs: three octets, also for none (Part 2, 10.6.2: sizeofSelect). */
const SELECT_BYTES = 3;
const PCR_COUNT = 8 * SELECT_BYTES;
/** Each round of PCR_Read gives at most eight values; four rounds are more than 24 PCRs need. */
const MAX_ROUNDS = 6;

/** TPML_PCR_SELECTION (Part 2, 10.9.7). Throws InvalidRequest for PCRs that do not exist. */
export function encodeSelection(selections: readonly PcrSelection[]): Buffer {
  return list(
    selections.map(({ hash, pcrs }) => {
      const bits = Buffer.alloc(SELECT_BYTES);
      for (const pcr of pcrs) {
        if (!Number.isInteger(pcr) || pcr < 0 || pcr >= PCR_COUNT) {
          throw new KeysteadError('InvalidRequest', `PCR: expected a number from 0 to ${PCR_COUNT - 1}, found ${pcr}`);
        }
        const index = pcr >> 3;
        bits[index] = (bits[index] ?? 0) | (1 << (pcr & 7));
      }
      return Buffer.concat([u16(hash), u8(SELECT_BYTES), bits]);
    }),
  );
}

/** Reads TPML_PCR_SELECTION. */
export function readSelection(reader: TpmReader): PcrSelection[] {
  return reader.list(3, () => {
    const hash = reader.u16();
    const bits = reader.bytes(reader.u8());
    const pcrs = Array.from({ length: 8 * bits.length }, (_, pcr) => pcr);
    return { hash, pcrs: pcrs.filter((pcr) => ((bits[pcr >> 3] ?? 0) >> (pcr & 7)) & 1) };
  });
}

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

/** Digest over PCR values in the order of the selection, as quotes and policies hold it (Part 1, 19.7.7.6). */
export function pcrDigest(hash: number, pcrs: readonly number[], values: PcrValues): Buffer {
  const ordered = [...pcrs].sort((a, b) => a - b).map((pcr) => values.get(pcr));
  if (ordered.some((value) => value === undefined)) {
    throw new KeysteadError('InvalidRequest', `PCR digest: expected values of PCR ${pcrs.join(', ')}, found fewer`);
  }
  return digest(hash, ...ordered.filter((value) => value !== undefined));
}
