// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG } from '../tpm/constants.ts';
import type { EventLog } from '../tpm/event-log.ts';
import { compareWithPcrs, replay } from '../tpm/event-log-replay.ts';
import { eventName, eventText } from '../tpm/event-text.ts';

/** A PCR of the SHA-256 bank as a quote proved it. */
export interface QuotedPcr {
  readonly index: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface BootPcr {
  readonly index: number;
  /**
   * `Explained`: the log accounts for the quoted value. `Unexplained`: it does not; events are missing, made up or in
   * another order. `Running`: another value, in a PCR that the running system goes on to extend, of which firmware's log
   * knows nothing. `Unquoted`: no quote says what it is.
   */
  readonly state: 'Explained' | 'Unexplained' | 'Running' | 'Unquoted';
  /** What the log replays to, hexadecimal; undefined where it has no event for it. */
  readonly logged: string | undefined;
  readonly quoted: string | undefined;
}

export interface BootEvent {
  readonly pcr: number;
  readonly type: string;
  /** What was measured: SHA-256, hexadecimal. */
  readonly digest: string;
  /** What the log says that it was. */
  readonly text: string;
  /** The text is not what was measured, though it would have to be. */
  readonly altered: boolean;
}

export interface BootLog {
  readonly pcrs: readonly BootPcr[];
  readonly events: readonly BootEvent[];
}

/** IMA (10), systemd and its stub (11 to 13, 15), debugging (16), applications (23): UAPI group's registry of PCRs. */
const RUNNING: ReadonlySet<number> = new Set([10, 11, 12, 13, 15, 16, 23]);

/** Replays firmware's log against what the TPM has quoted. Throws InvalidRequest for a log without SHA-256. Pure. */
export function bootLog(log: EventLog, quoted: readonly QuotedPcr[]): BootLog {
  const values = new Map(quoted.map(({ index, sha256 }) => [index, Buffer.from(sha256, 'hex')]));
  const report = compareWithPcrs(log, TPM_ALG.sha256, values);
  const replayed = replay(log, TPM_ALG.sha256);
  const indexes = [...new Set([...values.keys(), ...replayed.keys()])].sort((a, b) => a - b);
  const explained = new Set(report.explained);
  const altered = new Set(report.alteredEvents);
  const stateOf = (index: number): BootPcr['state'] => {
    if (!values.has(index)) return 'Unquoted';
    if (explained.has(index)) return 'Explained';
    return RUNNING.has(index) ? 'Running' : 'Unexplained';
  };
  return {
    pcrs: indexes.map((index) => ({
      index,
      state: stateOf(index),
      logged: replayed.get(index)?.toString('hex'),
      quoted: values.get(index)?.toString('hex'),
    })),
    events: log.events.map((event, position) => ({
      pcr: event.pcr,
      type: eventName(event),
      digest: event.digests.get(TPM_ALG.sha256)?.toString('hex') ?? '',
      text: eventText(event),
      altered: altered.has(position),
    })),
  };
}
