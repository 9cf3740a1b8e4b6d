// SPDX-License-Identifier: Apache-2.0
import { TPM_CAP, TPM_ECC, TPM_PT, TPMA_PERMANENT } from '../../../tpm/constants.ts';
import { readSelection, type PcrSelection } from '../../../tpm/pcr-selection.ts';
import type { TpmReader } from '../../../tpm/reader.ts';
import type { Tpm } from './tpm.ts';
import { u16, u32 } from '../../../tpm/writer.ts';

const PAGE = 128;
/** More pages than this no TPM has; a TPM that always says "more" must not hold the process. */
const MAX_PAGES = 64;

/** TPM2_GetCapability (Part 3, 30.2), page after page. `next` gives where the next page starts. */
function capability<T>(
  tpm: Tpm,
  what: number,
  first: number,
  page: { readonly read: (reader: TpmReader) => T[]; readonly next: (last: T) => number },
): T[] {
  const found: T[] = [];
  let start = first;
  for (let count = 0; count < MAX_PAGES; count++) {
    const parameters = Buffer.concat([u32(what), u32(start), u32(PAGE)]);
    const reader = tpm.execute('GetCapability', { parameters }).parameters;
    const more = reader.u8();
    const kind = reader.u32();
    if (kind !== what) throw reader.fail(`capability ${kind} where ${what} was asked for`);
    const entries = page.read(reader);
    reader.end();
    found.push(...entries);
    const last = entries.at(-1);
    if (more === 0 || last === undefined) return found;
    start = page.next(last);
  }
  return found;
}

/** Properties (TPM_PT) from a number on, up to the end of their group. */
export function properties(tpm: Tpm, from: number): ReadonlyMap<number, number> {
  const read = (reader: TpmReader): [number, number][] => reader.list(8, () => [reader.u32(), reader.u32()]);
  return new Map(capability(tpm, TPM_CAP.properties, from, { read, next: ([property]) => property + 1 }));
}

/** Handles of one kind (TPM_HT) that are in use, ascending. */
export function handles(tpm: Tpm, kind: number): number[] {
  const first = kind * 0x1000000;
  const read = (reader: TpmReader): number[] => reader.list(4, () => reader.u32());
  const all = capability(tpm, TPM_CAP.handles, first, { read, next: (last) => last + 1 });
  return all.filter((handle) => handle >>> 24 === kind);
}

/** Algorithms (TPM_ALG_ID) that the TPM has. */
export function algorithms(tpm: Tpm): ReadonlySet<number> {
  const read = (reader: TpmReader): number[] =>
    reader.list(6, () => {
      const algorithm = reader.u16();
      reader.u32(); // TPMA_ALGORITHM
      return algorithm;
    });
  return new Set(capability(tpm, TPM_CAP.algorithms, 0, { read, next: (last) => last + 1 }));
}

/** Curves (TPM_ECC_CURVE) that the TPM has. */
export function curves(tpm: Tpm): ReadonlySet<number> {
  const read = (reader: TpmReader): number[] => reader.list(2, () => reader.u16());
  return new Set(capability(tpm, TPM_CAP.curves, 0, { read, next: (last) => last + 1 }));
}

/** PCR banks that are switched on. */
export function pcrBanks(tpm: Tpm): PcrSelection[] {
  const all = capability(tpm, TPM_CAP.pcrs, 0, { read: readSelection, next: () => 0 });
  return all.filter((bank) => bank.pcrs.length > 0);
}

/** What the maker says of the TPM. */
export interface TpmMaker {
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  /** Revision of the specification, for example `1.59`. */
  readonly revision: string;
}

export function maker(tpm: Tpm): TpmMaker {
  const fixed = properties(tpm, TPM_PT.familyIndicator);
  const value = (property: number): number => fixed.get(property) ?? 0;
  const text = (...from: number[]): string =>
    Buffer.concat(from.map((property) => u32(value(property))))
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '')
      .trim();
  const version = [value(TPM_PT.firmwareVersion1), value(TPM_PT.firmwareVersion2)];
  return {
    manufacturer: text(TPM_PT.manufacturer),
    model: text(...[0, 1, 2, 3].map((index) => TPM_PT.vendorString1 + index)),
    firmware: version.flatMap((half) => [half >>> 16, half & 0xffff]).join('.'),
    revision: (value(TPM_PT.revision) / 100).toFixed(2),
  };
}

/** State of the dictionary attack protection (Part 1, 19.8). */
export interface LockoutState {
  readonly locked: boolean;
  /** Wrong authorisations that count at present, and how many lock the TPM. */
  readonly failures: number;
  readonly limit: number;
  /** Seconds after which one failure is forgotten. */
  readonly recoverySeconds: number;
  /** Seconds that a wrong lockout authorisation blocks the next; 0: until restart. */
  readonly lockoutRecoverySeconds: number;
  readonly ownerAuthSet: boolean;
  readonly endorsementAuthSet: boolean;
  readonly lockoutAuthSet: boolean;
}

export function lockoutState(tpm: Tpm): LockoutState {
  const found = properties(tpm, TPM_PT.permanent);
  const value = (property: number): number => found.get(property) ?? 0;
  const permanent = value(TPM_PT.permanent);
  return {
    locked: (permanent & TPMA_PERMANENT.inLockout) !== 0,
    failures: value(TPM_PT.lockoutCounter),
    limit: value(TPM_PT.maxAuthFail),
    recoverySeconds: value(TPM_PT.lockoutInterval),
    lockoutRecoverySeconds: value(TPM_PT.lockoutRecovery),
    ownerAuthSet: (permanent & TPMA_PERMANENT.ownerAuthSet) !== 0,
    endorsementAuthSet: (permanent & TPMA_PERMANENT.endorsementAuthSet) !== 0,
    lockoutAuthSet: (permanent & TPMA_PERMANENT.lockoutAuthSet) !== 0,
  };
}

/** TPM2_GetRandom, asked again until all is there: a TPM gives at most one digest at a time. */
export function random(tpm: Tpm, count: number): Buffer {
  let found = Buffer.alloc(0);
  while (found.length < count) {
    const { parameters } = tpm.execute('GetRandom', { parameters: u16(count - found.length) });
    const octets = parameters.sized();
    parameters.end();
    if (octets.length === 0 || octets.length > count - found.length) throw parameters.fail(`${octets.length} octets`);
    found = Buffer.concat([found, octets]);
  }
  return found;
}

/** Whether the TPM has P-384; TPMs before 2020 often do not. */
export function hasP384(tpm: Tpm): boolean {
  return curves(tpm).has(TPM_ECC.p384);
}
