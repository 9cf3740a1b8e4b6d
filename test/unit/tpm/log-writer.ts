// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

/** An event to be written into a log; its digests are over `measured`, or over the data. */
export interface WrittenEvent {
  readonly pcr: number;
  readonly type: number;
  readonly data: Buffer;
  readonly measured?: Buffer;
}

const ALGORITHMS = [
  [0x0004, 'sha1', 20],
  [0x000b, 'sha256', 32],
] as const;

const u16 = (value: number): Buffer => Buffer.of(value & 0xff, value >> 8);
function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

/** A crypto-agile TCG event log with SHA-1 and SHA-256, as firmware writes it. */
export function writeLog(events: readonly WrittenEvent[]): Buffer {
  const algorithms = ALGORITHMS.map(([number, , bytes]) => Buffer.concat([u16(number), u16(bytes)]));
  const header = Buffer.concat([
    Buffer.from('Spec ID Event03\0', 'latin1'),
    u32(0),
    Buffer.of(0, 2, 0, 2),
    u32(ALGORITHMS.length),
    ...algorithms,
    Buffer.of(0),
  ]);
  const first = Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(header.length), header]);
  return Buffer.concat([first, ...events.map(encodeEvent)]);
}

function encodeEvent({ pcr, type, data, measured = data }: WrittenEvent): Buffer {
  const digests = ALGORITHMS.map(([number, name, bytes]) => {
    const value = type === 3 ? Buffer.alloc(bytes) : createHash(name).update(measured).digest();
    return Buffer.concat([u16(number), value]);
  });
  return Buffer.concat([u32(pcr), u32(type), u32(digests.length), ...digests, u32(data.length), data]);
}

/** A start as a PC does it: locality 3, firmware version, separators, boot action. */
export const SAMPLE_EVENTS: readonly WrittenEvent[] = [
  { pcr: 0, type: 3, data: Buffer.concat([Buffer.from('StartupLocality\0', 'latin1'), Buffer.of(3)]) },
  { pcr: 0, type: 8, data: Buffer.from('1\0.\x000\0\0\0', 'latin1') },
  { pcr: 2, type: 0x80000007, data: Buffer.from('Calling EFI Application from Boot Option') },
  { pcr: 4, type: 0x80000003, data: Buffer.alloc(40, 7), measured: Buffer.from('the boot loader') },
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => ({ pcr, type: 4, data: Buffer.alloc(4) })),
];
