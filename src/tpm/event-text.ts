// SPDX-License-Identifier: Apache-2.0
import type { LogEvent } from './event-log.ts';

/** Event types (TCG PC Client Platform Firmware Profile 1.06, 10.4.1). */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x0, 'EV_PREBOOT_CERT'],
  [0x1, 'EV_POST_CODE'],
  [0x3, 'EV_NO_ACTION'],
  [0x4, 'EV_SEPARATOR'],
  [0x5, 'EV_ACTION'],
  [0x6, 'EV_EVENT_TAG'],
  [0x7, 'EV_S_CRTM_CONTENTS'],
  [0x8, 'EV_S_CRTM_VERSION'],
  [0x9, 'EV_CPU_MICROCODE'],
  [0xa, 'EV_PLATFORM_CONFIG_FLAGS'],
  [0xb, 'EV_TABLE_OF_DEVICES'],
  [0xc, 'EV_COMPACT_HASH'],
  [0xd, 'EV_IPL'],
  [0xe, 'EV_IPL_PARTITION_DATA'],
  [0xf, 'EV_NONHOST_CODE'],
  [0x10, 'EV_NONHOST_CONFIG'],
  [0x11, 'EV_NONHOST_INFO'],
  [0x12, 'EV_OMIT_BOOT_DEVICE_EVENTS'],
  [0x80000001, 'EV_EFI_VARIABLE_DRIVER_CONFIG'],
  [0x80000002, 'EV_EFI_VARIABLE_BOOT'],
  [0x80000003, 'EV_EFI_BOOT_SERVICES_APPLICATION'],
  [0x80000004, 'EV_EFI_BOOT_SERVICES_DRIVER'],
  [0x80000005, 'EV_EFI_RUNTIME_SERVICES_DRIVER'],
  [0x80000006, 'EV_EFI_GPT_EVENT'],
  [0x80000007, 'EV_EFI_ACTION'],
  [0x80000008, 'EV_EFI_PLATFORM_FIRMWARE_BLOB'],
  [0x80000009, 'EV_EFI_HANDOFF_TABLES'],
  [0x8000000a, 'EV_EFI_PLATFORM_FIRMWARE_BLOB2'],
  [0x8000000b, 'EV_EFI_HANDOFF_TABLES2'],
  [0x8000000c, 'EV_EFI_VARIABLE_BOOT2'],
  [0x80000010, 'EV_EFI_HCRTM_EVENT'],
  [0x800000e0, 'EV_EFI_VARIABLE_AUTHORITY'],
  [0x800000e1, 'EV_EFI_SPDM_FIRMWARE_BLOB'],
  [0x800000e2, 'EV_EFI_SPDM_FIRMWARE_CONFIG'],
]);

/** Types whose data is UEFI_VARIABLE_DATA (10.2.6). */
const VARIABLES: ReadonlySet<number> = new Set([0x80000001, 0x80000002, 0x8000000c, 0x800000e0]);
const GUID_BYTES = 16;
const MAX_NAME_CHARACTERS = 256;
const MAX_TEXT_CHARACTERS = 200;

/** Name of an event's type; its number where it has none. */
export function eventName({ type }: Pick<LogEvent, 'type'>): string {
  return NAMES.get(type) ?? `0x${type.toString(16).padStart(8, '0')}`;
}

/**
 * What an event's data says, as far as it is text; empty for the rest. Printable characters only: it is foreign, and it is
 * only to be believed where `isDataMeasured` holds and the digest fits.
 */
export function eventText({ type, data }: Pick<LogEvent, 'type' | 'data'>): string {
  const text = VARIABLES.has(type) ? variableName(data) : (utf8(data) ?? utf16(data) ?? '');
  return text.length > MAX_TEXT_CHARACTERS ? `${text.slice(0, MAX_TEXT_CHARACTERS - 1)}…` : text;
}

/** The name of the variable: behind its GUID and two lengths of 64 bits. */
function variableName(data: Buffer): string {
  const start = GUID_BYTES + 16;
  if (data.length < start) return '';
  const characters = Number(data.readBigUInt64LE(GUID_BYTES));
  if (characters > MAX_NAME_CHARACTERS || start + 2 * characters > data.length) return '';
  return utf16(data.subarray(start, start + 2 * characters)) ?? '';
}

/** Undefined where it is no printable text. */
function utf8(data: Buffer): string | undefined {
  return printable(data.toString('utf8'));
}

function utf16(data: Buffer): string | undefined {
  return data.length % 2 === 0 ? printable(data.toString('utf16le')) : undefined;
}

function printable(found: string): string | undefined {
  const text = found.replace(/\0+$/, '').replace(/[\r\n\t ]+/g, ' ');
  return text !== '' && /^[\x20-\x7e]*$/.test(text) ? text : undefined;
}
