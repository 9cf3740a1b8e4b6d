// SPDX-License-Identifier: Apache-2.0
import type { LedgerEntry } from './key-ledger.ts';

/** One key of a node, for EdgeDevice.status. */
export interface KeyStatus {
  readonly uri: string;
  /** What the key does: signs certificates, tokens, for the device itself, for a module, or has others derived from it. */
  readonly purpose: 'Issuer' | 'Token' | 'Device' | 'Module' | 'Master' | 'Hub' | 'Other';
  /** Whose it is: the UID of a ModuleIdentity, the hub's name of a module; the node where left out. */
  readonly owner?: string;
  /** Of key pairs, for example EC-P256; else HMAC or AES-256. */
  readonly algorithm: string;
  readonly sensitive: boolean;
  readonly extractable: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly created?: number;
  readonly lastUsed?: number;
}

const PURPOSES: Readonly<Record<string, KeyStatus['purpose']>> = {
  issuer: 'Issuer',
  token: 'Token',
  device: 'Device',
  module: 'Module',
  master: 'Master',
  hub: 'Hub',
};
/** `keystead-<purpose>:<trust domain>:<node>:<rest>`. */
const LABEL = /^keystead-([a-z]+):[^:]*:[^:]*:(.*)$/s;
const SYMMETRIC = { KeyPair: 'unknown', Secret: 'HMAC', Cipher: 'AES-256' } as const;

/** What a key is for, by its label. Pure. */
export function keyRole({ label, kind, algorithm, ...entry }: LedgerEntry): KeyStatus {
  const [, name = '', rest = ''] = LABEL.exec(label) ?? [];
  const purpose = PURPOSES[name] ?? 'Other';
  const owner = ownerIn(purpose, rest);
  return { purpose, ...(owner && { owner }), algorithm: algorithm ?? SYMMETRIC[kind], ...entry };
}

/** `<identity UID>:<generation>` of a module's key, `<key>:<generation>:<module>` of a hub's. */
function ownerIn(purpose: KeyStatus['purpose'], rest: string): string | undefined {
  if (purpose === 'Module') return rest.split(':', 1)[0];
  if (purpose === 'Hub') return rest.split(':').slice(2).join(':');
  return undefined;
}
