// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { parseEventLog } from '../../../src/tpm/event-log.ts';
import { compareWithPcrs, replay } from '../../../src/tpm/event-log-replay.ts';
import { SAMPLE_EVENTS, writeLog } from './log-writer.ts';

const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const octets = writeLog(SAMPLE_EVENTS);

describe('an event log', () => {
  it('is read with all its digests and data', () => {
    const log = parseEventLog(octets);
    expect([...log.algorithms]).toEqual([
      [TPM_ALG.sha1, 20],
      [TPM_ALG.sha256, 32],
    ]);
    expect(log.events).toHaveLength(SAMPLE_EVENTS.length);
    expect(log.events[2]).toMatchObject({ pcr: 2, type: 0x80000007 });
    expect(log.events[2]!.data.toString()).toBe('Calling EFI Application from Boot Option');
  });

  it('starts PCR 0 with the locality from which the TPM was started', () => {
    const start = Buffer.alloc(32);
    start[31] = 3;
    const version = sha256(start, sha256(SAMPLE_EVENTS[1]!.data));
    expect(replay(parseEventLog(octets), TPM_ALG.sha256).get(0)).toEqual(sha256(version, sha256(Buffer.alloc(4))));
  });

  it('explains the PCRs that it replays to, and no others', () => {
    const log = parseEventLog(octets);
    const quoted = new Map(replay(log, TPM_ALG.sha256));
    quoted.set(8, Buffer.alloc(32)).set(17, Buffer.alloc(32, 0xff)).set(4, Buffer.alloc(32, 1));
    const report = compareWithPcrs(log, TPM_ALG.sha256, quoted);
    expect(report).toEqual({ explained: [0, 1, 2, 3, 5, 6, 7, 8, 17], unexplained: [4], alteredEvents: [] });
  });

  it('does not hide that an event was altered, removed or put elsewhere', () => {
    const quoted = replay(parseEventLog(octets), TPM_ALG.sha256);
    const compared = (events: typeof SAMPLE_EVENTS) =>
      compareWithPcrs(parseEventLog(writeLog(events)), TPM_ALG.sha256, quoted);
    const altered = SAMPLE_EVENTS.map((event, index) =>
      index === 2 ? { ...event, measured: event.data, data: Buffer.from('Harmless') } : event,
    );
    expect(compared(altered)).toMatchObject({ unexplained: [], alteredEvents: [2] });
    expect(compared(SAMPLE_EVENTS.filter((_, index) => index !== 2)).unexplained).toEqual([2]);
    expect(compared(SAMPLE_EVENTS.toReversed()).unexplained).toEqual([0, 2, 4]);
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['cut', octets.subarray(0, -1)],
    ['with an octet too many', Buffer.concat([octets, Buffer.of(0)])],
    ['of TPM 1.2', Buffer.concat([Buffer.alloc(28), Buffer.alloc(4)])],
    ['with a count of digests that cannot be', flipped(octets, octets.indexOf('Spec ID') + 24, 0xff)],
    ['with a digest length that is wrong', flipped(octets, octets.indexOf('Spec ID') + 30, 0x1f)],
    ['with an event for a PCR that does not exist', flipped(octets, octets.indexOf('Spec ID') + 37, 24)],
  ])('%s is refused', (_, malformed) => {
    expect(() => parseEventLog(malformed)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }));
  });

  it('without digests of the bank is not replayed', () => {
    expect(() => replay(parseEventLog(octets), TPM_ALG.sha384)).toThrow('expected digests 0xc');
  });
});

function flipped(source: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(source);
  copy[at] = value;
  return copy;
}
