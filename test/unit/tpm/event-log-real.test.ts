// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { bootLog, type BootLog } from '../../../src/integrity/boot-log.ts';
import { parseEventLog, type EventLog } from '../../../src/tpm/event-log.ts';

const LOGS = join(import.meta.dirname, '../../fixtures/event-logs');
const read = (name: string): EventLog => parseEventLog(readFileSync(join(LOGS, name)));

const SEPARATOR_ALONE = '3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969';
/** PCRs of the SHA-256 bank as tpm2_eventlog computes them. */
const COREOS = new Map([
  [0, '0f35c214608d93c7a6e68ae7359b4a8be5a0e99eea9107ece427c4dea4e439cf'],
  [1, '11a6087d83331aa57fb80b19d1fe2f2793674b42411781c0dedea372556c0178'],
  [2, SEPARATOR_ALONE],
  [3, SEPARATOR_ALONE],
  [4, 'b465254355b722692d82ff3d46500d73f05cd56fb0d643d32cd9df100c78abb3'],
  [5, '1143424d489381fc2661a59140d2f9161062ff4cd7df430d65c8738526c1483b'],
  [6, SEPARATOR_ALONE],
  [7, '9340551428472c4820d41f51368427f5d1620b3e7d2081cf8859e7e220554bcd'],
  [8, 'f326bb45e08b502ff5bda164de9d3b6cedf12009bcc21aa91858fdccabc60153'],
  [9, 'f8bd4e934ac53e6d6fb4e16b6cd9a505dc0e639c4d0af06817b989f828376668'],
  [14, 'd7c4cc7ff7933022f013e03bdee875b91720b5b86cf1753cad830f95e791926f'],
]);
const DESKTOP = new Map([
  [0, '1536de221b2187a421602cd81f43aa04496b0bd5a424d3b25b637a942080d0fa'],
  [1, 'f883c25efc566190a8449b54717cacb3f35fc83e4f8e19330b3e32a2b57bb03f'],
  [2, SEPARATOR_ALONE],
  [3, SEPARATOR_ALONE],
  [4, 'b0af298ea2ca63fe39d0f9887948f8c9ccedd1cca90b6ed20f0aa1f9cbd8504e'],
  [5, '3f2855fc9db5201707a42708e00f9f54ebf78e250152decbf5086cab1690add8'],
  [6, SEPARATOR_ALONE],
  [7, '3d6207f9a2c3fa1db729f06e71b09d2e7ca7c0c198f6c1410c2186bbe2cc1826'],
]);

const quoted = (values: ReadonlyMap<number, string>) => [...values].map(([index, sha256]) => ({ index, sha256 }));
const inState = ({ pcrs }: BootLog, wanted: string): number[] =>
  pcrs.filter(({ state }) => state === wanted).map(({ index }) => index);

describe.each([
  ['of a virtual machine with GRUB and shim', 'coreos-36.bin', COREOS, 75],
  ['of a PC with UEFI', 'desktop.bin', DESKTOP, 26],
] as const)('the event log %s', (_, file, values, events) => {
  it('replays to what tpm2_eventlog computes, and all its texts are what was measured', () => {
    const found = bootLog(read(file), quoted(values));
    expect(found.events).toHaveLength(events);
    expect(inState(found, 'Explained')).toEqual([...values.keys()]);
    expect(found.pcrs.map(({ logged }) => logged)).toEqual([...values.values()]);
    expect(found.events.filter(({ altered }) => altered)).toEqual([]);
    expect(found.events.every(({ type }) => type.startsWith('EV_'))).toBe(true);
  });

  it('does not explain a PCR of the boot that was quoted otherwise, and names no other', () => {
    const other = new Map(values).set(4, 'ab'.repeat(32));
    const found = bootLog(read(file), quoted(other));
    expect(inState(found, 'Unexplained')).toEqual([4]);
    expect(inState(found, 'Explained')).toEqual([...values.keys()].filter((pcr) => pcr !== 4));
  });
});

describe('the event log of a virtual machine', () => {
  const found = bootLog(
    read('coreos-36.bin'),
    quoted(new Map(COREOS).set(10, 'cd'.repeat(32)).set(15, '0'.repeat(64))),
  );

  it('says in words what was measured', () => {
    const said = found.events.map(({ pcr, type, text }) => `${pcr} ${type} ${text}`);
    expect(said).toContain('7 EV_EFI_VARIABLE_DRIVER_CONFIG SecureBoot');
    expect(said).toContain('4 EV_EFI_ACTION Calling EFI Application from Boot Option');
    expect(said.some((line) => /^8 EV_IPL grub_cmd: linux /.test(line))).toBe(true);
    expect(found.events.every(({ text }) => /^[\x20-\x7e…]*$/.test(text))).toBe(true);
  });

  it('knows nothing of what the running system goes on to measure, and is not blamed for it', () => {
    expect(inState(found, 'Running')).toEqual([10]);
    expect(inState(found, 'Unexplained')).toEqual([]);
    expect(inState(found, 'Explained')).toContain(15);
  });

  it('is told from a quote that does not exist', () => {
    expect(inState(bootLog(read('coreos-36.bin'), []), 'Unquoted')).toEqual([...COREOS.keys()]);
  });
});
