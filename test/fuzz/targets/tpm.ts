// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootLog } from '../../../src/integrity/boot-log.ts';
import { parseAttest } from '../../../src/tpm/attest.ts';
import type { CommandName } from '../../../src/notary/root-of-trust/tpm/command-table.ts';
import { makeCredential } from '../../../src/tpm/credential.ts';
import { parseEventLog } from '../../../src/tpm/event-log.ts';
import { decodeResponse } from '../../../src/notary/root-of-trust/tpm/framing.ts';
import { parseWrappedKey } from '../../../src/notary/root-of-trust/tpm/imported-key.ts';
import { parseNvPublic } from '../../../src/notary/root-of-trust/tpm/nv-index.ts';
import { encodeSelection, readSelection } from '../../../src/tpm/pcr-selection.ts';
import { encodePublic, nameOf, parsePublic, publicKeyObject } from '../../../src/tpm/public-area.ts';
import { verifyQuote } from '../../../src/tpm/verify-quote.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import { parseSignature } from '../../../src/tpm/signature.ts';
import { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { fakeTpm } from '../../unit/tpm/fake-tpm.ts';
import { SAMPLE_EVENTS, writeLog } from '../../unit/tpm/log-writer.ts';
import { bank, blobOf, OPERATIONS, quoted, selection, storageKey } from '../../unit/tpm/operations.ts';
import { bytes, RECORDED } from '../../unit/tpm/recorded.ts';
import type { Dice } from '../dice.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { must, target, type Target } from '../target.ts';

type Part = 'parameters' | 'response';

/** Codes that mean "again" would only make the test wait. */
function notBusy(octets: Buffer, part: Part): Buffer {
  if (part === 'response' && octets.length >= 10 && [0x908, 0x90a, 0x920, 0x922].includes(octets.readUInt32BE(6)))
    octets[9] = 1;
  return octets;
}

/** A whole operation, some of whose answers are changed: behind the TPM's own HMAC, or on the way. */
const operations = (part: Part): Target =>
  target({
    name: `tpm-${part}`,
    weight: 2,
    corpus: OPERATIONS.filter(([name]) => !['Load', 'LoadExternal', 'Quote'].includes(name)).map((operation) => ({
      operation,
      changes: false,
    })),
    mutate: (_, dice) => ({ operation: dice.pick(OPERATIONS), changes: true }),
    read: ({ operation: [, run], changes }, dice) => {
      const change = (octets: Buffer): Buffer =>
        changes && dice.oneIn(2) ? notBusy(mutateOctets(octets, dice), part) : octets;
      return run(new Tpm(fakeTpm({ [part]: change })));
    },
  });

interface Structure {
  readonly octets: Buffer;
  readonly parse: (octets: Buffer) => unknown;
}

const wholePublic = (octets: Buffer): unknown => {
  const area = parsePublic(octets);
  must(encodePublic(area).equals(octets), 'a public area is written as it was read');
  return area;
};
const REAL_LOG = join(import.meta.dirname, '../../fixtures/event-logs/desktop.bin');

/** Whatever a log says is told in printable characters. */
const eventLog = (octets: Buffer): unknown => {
  const { pcrs, events } = bootLog(parseEventLog(octets), []);
  must(
    events.every(({ text, type }) => /^[\x20-\x7e…]*$/.test(text + type)),
    'texts are printable',
  );
  return pcrs;
};
const nvPublic = blobOf('NV_ReadPublic');
const structures: readonly Structure[] = [
  { octets: storageKey, parse: wholePublic },
  { octets: bytes(quoted.attestationKey), parse: wholePublic },
  { octets: bytes(quoted.attest), parse: parseAttest },
  { octets: bytes(quoted.signature), parse: (octets) => parseSignature(octets) },
  { octets: bytes(RECORDED.evidence.wrapped), parse: parseWrappedKey },
  ...[writeLog(SAMPLE_EVENTS), readFileSync(REAL_LOG)].map((octets) => ({ octets, parse: eventLog })),
  {
    octets: nvPublic,
    parse: (octets) => parseNvPublic(octets, octets.length > 4 ? octets.readUInt32BE(0) : 0, nameOf(octets, bank)),
  },
  { octets: encodeSelection([selection]), parse: (octets) => readSelection(new TpmReader(octets, 'selection')) },
];

const frames: readonly Structure[] = Object.entries(RECORDED.responses).map(([name, recorded]) => {
  const body = bytes(recorded.replace(':', ''));
  const header = bytes('80010000000000000000');
  header.writeUInt32BE(10 + body.length, 2);
  const command = name.replace(/\/.*/, '') as CommandName;
  return { octets: Buffer.concat([header, body]), parse: (octets) => decodeResponse(command, octets, []) };
});

const changed = (structure: Structure, dice: Dice): Structure => ({
  ...structure,
  octets: mutateOctets(structure.octets, dice),
});
const parsed = ({ octets, parse }: Structure): unknown => parse(octets);

const evidence = { attest: bytes(quoted.attest), signature: bytes(quoted.signature) };
const values = new Map(Object.entries(quoted.pcrs).map(([pcr, value]) => [Number(pcr), bytes(value)]));
const attestationKey = bytes(quoted.attestationKey);
const publicKeys = [storageKey, attestationKey, bytes(RECORDED.evidence['RSA-2048'].attestationKey)];

export const TPM_TARGETS: readonly Target[] = [
  operations('parameters'),
  operations('response'),
  target({ name: 'tpm-structures', weight: 6, corpus: structures, mutate: changed, read: parsed }),
  target({ name: 'tpm-frames', weight: 4, corpus: frames, mutate: changed, read: parsed }),
  target({
    name: 'tpm-public-key',
    weight: 0.3,
    corpus: publicKeys,
    mutate: mutateOctets,
    read: (octets) => publicKeyObject(parsePublic(octets)),
  }),
  target({
    name: 'tpm-credential',
    weight: 0.3,
    corpus: [storageKey],
    mutate: mutateOctets,
    read: (octets) => makeCredential(parsePublic(octets), Buffer.alloc(34), Buffer.alloc(16)),
  }),
  target({
    name: 'tpm-quote',
    weight: 0.5,
    corpus: [evidence],
    mutate: ({ attest, signature }, dice) =>
      dice.oneIn(2)
        ? { attest: mutateOctets(attest, dice), signature }
        : { attest, signature: mutateOctets(signature, dice) },
    read: (quote) => {
      const same = quote.attest.equals(evidence.attest) && quote.signature.equals(evidence.signature);
      const facts = verifyQuote(quote, { attestationKey, nonce: bytes(quoted.nonce), selection, values });
      must(same || quote.attest.equals(evidence.attest), 'no changed quote is believed');
      return facts;
    },
  }),
];
