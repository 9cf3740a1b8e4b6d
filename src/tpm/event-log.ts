// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { HASHES } from './constants.ts';

/**
 * The firmware's log of what it measured into the PCRs, in the crypto-agile format (TCG PC Client Platform Firmware
 * Profile 1.06, section 10). Little-endian. It proves nothing by itself: only its replay against quoted PCRs does.
 */
export interface EventLog {
  /** Digest algorithms (TPM_ALG_ID) of the log and their lengths, from its header. */
  readonly algorithms: ReadonlyMap<number, number>;
  /** Without the header event. */
  readonly events: readonly LogEvent[];
}

export interface LogEvent {
  readonly pcr: number;
  /** EV_... (section 10.4.1). */
  readonly type: number;
  readonly digests: ReadonlyMap<number, Buffer>;
  readonly data: Buffer;
}

/** Events of this type are information and never extend a PCR. */
export const EV_NO_ACTION = 3;

const MAX_PCR = 23;
const SHA1_BYTES = 20;
const SIGNATURE_BYTES = 16;
const SPEC_ID = Buffer.from('Spec ID Event03\0', 'latin1');
/** More events than this no firmware writes. */
const MAX_EVENTS = 65_536;

/** Reads a whole log (`binary_bios_measurements` of securityfs). Throws InvalidRequest that names the octet. */
export function parseEventLog(octets: Buffer): EventLog {
  const reader = new LogReader(octets);
  const algorithms = readHeader(reader);
  const events: LogEvent[] = [];
  while (reader.remaining > 0) {
    if (events.length === MAX_EVENTS) throw reader.fail(`more than ${MAX_EVENTS} events`);
    events.push(readEvent(reader, algorithms));
  }
  return { algorithms, events };
}

/** The first event has the old SHA-1 form and says which digests all others carry (10.4.5.1, TCG_EfiSpecIDEvent). */
function readHeader(reader: LogReader): ReadonlyMap<number, number> {
  const [pcr, type] = [reader.u32(), reader.u32()];
  reader.bytes(SHA1_BYTES);
  const header = new LogReader(reader.bytes(reader.u32()));
  if (pcr !== 0 || type !== EV_NO_ACTION || !header.bytes(SIGNATURE_BYTES).equals(SPEC_ID)) {
    throw reader.fail('a first event that is no "Spec ID Event03"; only crypto-agile logs of TPM 2.0 are read');
  }
  header.bytes(8); // platform class, versions, size of UINTN
  const count = header.u32();
  if (count === 0 || count * 4 > header.remaining) throw header.fail(`${count} digest algorithms`);
  const algorithms = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const [algorithm, bytes] = [header.u16(), header.u16()];
    const known = HASHES.get(algorithm);
    if (known && known.bytes !== bytes) throw header.fail(`a digest 0x${algorithm.toString(16)} of ${bytes} octets`);
    algorithms.set(algorithm, bytes);
  }
  header.bytes(header.u8()); // the maker's information
  header.end();
  return algorithms;
}

/** TCG_PCR_EVENT2 (10.2.2). */
function readEvent(reader: LogReader, algorithms: ReadonlyMap<number, number>): LogEvent {
  const [pcr, type, count] = [reader.u32(), reader.u32(), reader.u32()];
  if (pcr > MAX_PCR) throw reader.fail(`an event for PCR ${pcr}`);
  if (count > algorithms.size) throw reader.fail(`${count} digests where the header names ${algorithms.size}`);
  const digests = new Map<number, Buffer>();
  for (let index = 0; index < count; index++) {
    const algorithm = reader.u16();
    const bytes = algorithms.get(algorithm);
    if (bytes === undefined) throw reader.fail(`a digest 0x${algorithm.toString(16)} that the header does not name`);
    if (digests.has(algorithm)) throw reader.fail(`two digests 0x${algorithm.toString(16)} in one event`);
    digests.set(algorithm, reader.bytes(bytes));
  }
  return { pcr, type, digests, data: reader.bytes(reader.u32()) };
}

/** Like `TpmReader`, but for the log's little-endian numbers. */
class LogReader {
  readonly #octets: Buffer;
  #offset = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get remaining(): number {
    return this.#octets.length - this.#offset;
  }

  u8(): number {
    return this.#octets.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#octets.readUInt16LE(this.#advance(2));
  }

  u32(): number {
    return this.#octets.readUInt32LE(this.#advance(4));
  }

  bytes(count: number): Buffer {
    const start = this.#advance(count);
    return Buffer.from(this.#octets.subarray(start, start + count));
  }

  end(): void {
    if (this.remaining > 0) throw this.fail(`${this.remaining} octets after the end of the header event`);
  }

  fail(found: string): KeysteadError {
    return new KeysteadError('InvalidRequest', `malformed TCG event log at octet ${this.#offset}: found ${found}`);
  }

  #advance(count: number): number {
    if (count > this.remaining) throw this.fail(`an end where ${count} octets should be (${this.remaining} are left)`);
    const start = this.#offset;
    this.#offset += count;
    return start;
  }
}

/** EV_SEPARATOR, EV_ACTION, EV_EFI_VARIABLE_DRIVER_CONFIG, EV_EFI_GPT_EVENT, EV_EFI_ACTION: digest over the data (10.4.1). */
const MEASURED_AS_LOGGED: ReadonlySet<number> = new Set([0x4, 0x5, 0x80000001, 0x80000006, 0x80000007]);

/** Whether the event's data is what its digest covers by specification; others name their content only loosely. */
export function isDataMeasured(event: LogEvent): boolean {
  return MEASURED_AS_LOGGED.has(event.type);
}
