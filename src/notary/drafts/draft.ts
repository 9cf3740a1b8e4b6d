// SPDX-License-Identifier: Apache-2.0

/** What the thread of the token must know of a leaf to sign it: what it signs, looks up and remembers. */
export interface Draft {
  /** Of the terms that it was drafted under. */
  readonly epoch: number;
  /** TBSCertificate, DER. */
  readonly tbs: Buffer;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly spiffeId: string;
  readonly podUid: string;
  readonly identity: string;
  /** Hex. */
  readonly serial: string;
  /** Milliseconds since the Unix epoch. */
  readonly notAfter: number;
}

/** Numbers and strings in a row: between threads they cost a tenth of objects and buffers. */
export type DraftValues = (string | number)[];

/** How many values a draft takes. */
export const DRAFT_VALUES = 8;

export function putDraft(values: DraftValues, draft: Draft): void {
  const { epoch, tbs, publicKey, spiffeId, podUid, identity, serial, notAfter } = draft;
  const [octets, key] = [tbs.toString('latin1'), publicKey.toString('latin1')];
  values.push(epoch, octets, key, spiffeId, podUid, identity, serial, notAfter);
}

/** The draft with this number in the row. */
export function draftAt(values: Readonly<DraftValues>, index: number): Draft {
  const at = index * DRAFT_VALUES;
  const text = (offset: number): string => values[at + offset] as string;
  return {
    epoch: values[at] as number,
    tbs: Buffer.from(text(1), 'latin1'),
    publicKey: Buffer.from(text(2), 'latin1'),
    spiffeId: text(3),
    podUid: text(4),
    identity: text(5),
    serial: text(6),
    notAfter: values[at + 7] as number,
  };
}
