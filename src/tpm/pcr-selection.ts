// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { digest } from './key-derivation.ts';
import type { TpmReader } from './reader.ts';
import { list, u16, u8 } from './writer.ts';

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

/** Digest over PCR values in the order of the selection, as quotes and policies hold it (Part 1, 19.7.7.6). */
export function pcrDigest(hash: number, pcrs: readonly number[], values: PcrValues): Buffer {
  const ordered = [...pcrs].sort((a, b) => a - b).map((pcr) => values.get(pcr));
  if (ordered.some((value) => value === undefined)) {
    throw new KeysteadError('InvalidRequest', `PCR digest: expected values of PCR ${pcrs.join(', ')}, found fewer`);
  }
  return digest(hash, ...ordered.filter((value) => value !== undefined));
}
