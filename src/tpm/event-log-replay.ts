// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { EV_NO_ACTION, isDataMeasured, type EventLog, type LogEvent } from './event-log.ts';
import { digest, hashOf } from './key-derivation.ts';
import type { PcrValues } from './pcr-selection.ts';

const STARTUP_LOCALITY = Buffer.from('StartupLocality\0', 'latin1');
/** PCRs of the dynamic root of trust start as ones (PC Client Platform TPM Profile, 4.6.2). */
const DYNAMIC_PCRS = { first: 17, last: 22 } as const;

/** Values that the PCRs of one bank have when the log is the whole truth; PCRs without events are left out. */
export function replay(log: EventLog, hash: number): PcrValues {
  if (!log.algorithms.has(hash)) {
    throw new KeysteadError('InvalidRequest', `event log: expected digests 0x${hash.toString(16)}, found none`);
  }
  const values = new Map<number, Buffer>();
  for (const event of log.events) {
    if (event.type === EV_NO_ACTION) continue;
    const measured = event.digests.get(hash);
    if (!measured) {
      throw new KeysteadError('InvalidRequest', `event log: expected a digest 0x${hash.toString(16)} in each event`);
    }
    const before = values.get(event.pcr) ?? initialValue(log, event.pcr, hash);
    values.set(event.pcr, digest(hash, before, measured));
  }
  return values;
}

/** PCR 0 starts with the locality from which the TPM was started (Firmware Profile, 10.4.5.3); others with zeros. */
function initialValue(log: EventLog, pcr: number, hash: number): Buffer {
  const dynamic = pcr >= DYNAMIC_PCRS.first && pcr <= DYNAMIC_PCRS.last;
  const value = Buffer.alloc(hashOf(hash).bytes, dynamic ? 0xff : 0);
  if (pcr === 0) value[value.length - 1] = startupLocality(log.events);
  return value;
}

function startupLocality(events: readonly LogEvent[]): number {
  const event = events.find(
    ({ pcr, type, data }) =>
      pcr === 0 &&
      type === EV_NO_ACTION &&
      data.length === STARTUP_LOCALITY.length + 1 &&
      data.subarray(0, -1).equals(STARTUP_LOCALITY),
  );
  return event?.data.at(-1) ?? 0;
}

/** What a log says, measured against what a TPM says. */
export interface ReplayReport {
  /** PCRs whose value the log explains. */
  readonly explained: readonly number[];
  /** PCRs whose value is another: events are missing, made up or in another order. */
  readonly unexplained: readonly number[];
  /** Events whose data is not what was measured, by position in the log: their text must not be believed. */
  readonly alteredEvents: readonly number[];
}

/** Compares a log with values of PCRs that a quote proved. */
export function compareWithPcrs(log: EventLog, hash: number, quoted: PcrValues): ReplayReport {
  const replayed = replay(log, hash);
  const numbers = [...quoted.keys()].sort((a, b) => a - b);
  const explains = (pcr: number): boolean => {
    const expected = replayed.get(pcr) ?? initialValue(log, pcr, hash);
    return quoted.get(pcr)?.equals(expected) ?? false;
  };
  const altered = log.events.flatMap((event, index) => {
    const measured = event.digests.get(hash);
    return isDataMeasured(event) && measured && !digest(hash, event.data).equals(measured) ? [index] : [];
  });
  return {
    explained: numbers.filter(explains),
    unexplained: numbers.filter((pcr) => !explains(pcr)),
    alteredEvents: altered,
  };
}
