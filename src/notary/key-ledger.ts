// SPDX-License-Identifier: Apache-2.0
import { Fields } from './fields.ts';
import type { HeldKind, KeyAlgorithm } from './root-of-trust/port.ts';

/** What is remembered of one key; never the key. */
export interface LedgerEntry {
  readonly label: string;
  readonly kind: HeldKind;
  readonly uri: string;
  /** Of a key pair. */
  readonly algorithm?: KeyAlgorithm;
  readonly sensitive: boolean;
  readonly extractable: boolean;
  /** Milliseconds since the Unix epoch; unknown of a key that was there before. */
  readonly created?: number;
  readonly lastUsed?: number;
}

const FORMAT = 1;
const KINDS = ['KeyPair', 'Secret', 'Cipher'] as const;
const ALGORITHMS = ['EC-P256', 'EC-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const;
const MAX_KEYS = 1 << 17;
const MAX_TEXT = 4096;
const MAX_TIME = 8.64e15;

export function encodeKeyLedger(entries: readonly LedgerEntry[]): unknown {
  return { format: FORMAT, keys: entries };
}

/** Throws InvalidRequest where the document is no ledger. */
export function decodeKeyLedger(document: unknown): LedgerEntry[] {
  const fields = new Fields(document, 'key ledger');
  fields.integer('format', FORMAT, FORMAT);
  return fields.objects('keys', MAX_KEYS).map((entry) => ({
    label: entry.string('label', MAX_TEXT),
    kind: entry.oneOf('kind', KINDS),
    uri: entry.string('uri', MAX_TEXT),
    ...(entry.has('algorithm') && { algorithm: entry.oneOf('algorithm', ALGORITHMS) }),
    sensitive: entry.boolean('sensitive'),
    extractable: entry.boolean('extractable'),
    ...(entry.has('created') && { created: entry.integer('created', 0, MAX_TIME) }),
    ...(entry.has('lastUsed') && { lastUsed: entry.integer('lastUsed', 0, MAX_TIME) }),
  }));
}
