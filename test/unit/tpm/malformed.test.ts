// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, jest } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { parseAttest } from '../../../src/tpm/attest.ts';
import { createAttestationKey } from '../../../src/notary/root-of-trust/tpm/attestation-key.ts';
import {
  algorithms,
  curves,
  handles,
  lockoutState,
  maker,
  pcrBanks,
  random,
} from '../../../src/notary/root-of-trust/tpm/capability.ts';
import { certifyCreation, certifyKey } from '../../../src/notary/root-of-trust/tpm/certification.ts';
import type { CommandName } from '../../../src/notary/root-of-trust/tpm/command-table.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { activateCredential } from '../../../src/notary/root-of-trust/tpm/credential.ts';
import { makeCredential } from '../../../src/tpm/credential.ts';
import { parseEventLog } from '../../../src/tpm/event-log.ts';
import { replay } from '../../../src/tpm/event-log-replay.ts';
import { decodeResponse, permanent } from '../../../src/notary/root-of-trust/tpm/framing.ts';
import { hmacWith } from '../../../src/notary/root-of-trust/tpm/hmac.ts';
import { importKey, parseWrappedKey } from '../../../src/notary/root-of-trust/tpm/imported-key.ts';
import { findNvIndex, parseNvPublic, readNv } from '../../../src/notary/root-of-trust/tpm/nv-index.ts';
import {
  createPrimary,
  load,
  loadContext,
  loadExternal,
  readPublic,
  saveContext,
  signDigest,
  unseal,
} from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { encodeSelection, readSelection } from '../../../src/tpm/pcr-selection.ts';
import { extendPcr, readPcrs } from '../../../src/notary/root-of-trust/tpm/pcr.ts';
import { proveSecret, provenPolicy } from '../../../src/notary/root-of-trust/tpm/policy.ts';
import { encodePublic, parsePublic, publicKeyObject } from '../../../src/tpm/public-area.ts';
import { makeQuote } from '../../../src/notary/root-of-trust/tpm/quote.ts';
import { verifyQuote } from '../../../src/tpm/verify-quote.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import type { AuthSession } from '../../../src/notary/root-of-trust/tpm/session.ts';
import { parseSignature } from '../../../src/tpm/signature.ts';
import { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { fakeTpm, type Changes } from './fake-tpm.ts';
import { SAMPLE_EVENTS, writeLog } from './log-writer.ts';
import { Dice, mutate } from './mutation.ts';
import { bytes, RECORDED } from './recorded.ts';

jest.setTimeout(180_000);

const object = permanent(0x80000000);
const bank = TPM_ALG.sha256;
const quoted = RECORDED.evidence['EC-P256'];
const selection = { hash: bank, pcrs: [0, 1, 2, 3, 16] };
const blobOf = (command: string): Buffer =>
  new TpmReader(bytes(RECORDED.responses[command]!.split(':').at(-1)!), command).sized();
const primary = blobOf('CreatePrimary');
const storageKey = blobOf('ReadPublic');
const key = { publicArea: storageKey, privateArea: Buffer.alloc(0) };
const wrapped = parseWrappedKey(bytes(RECORDED.evidence.wrapped));

/** Each command of the table with the function that takes its response apart. */
const OPERATIONS: readonly (readonly [string, (tpm: Tpm) => unknown])[] = [
  ['GetCapability of properties', (tpm) => [maker(tpm), lockoutState(tpm)]],
  ['GetCapability of algorithms', (tpm) => algorithms(tpm)],
  ['GetCapability of curves', (tpm) => curves(tpm)],
  ['GetCapability of banks', (tpm) => pcrBanks(tpm)],
  ['GetCapability of handles', (tpm) => handles(tpm, 0x40)],
  ['GetRandom', (tpm) => random(tpm, 16)],
  ['CreatePrimary', (tpm) => createPrimary(tpm, tpm.owner, primary)],
  ['Create', (tpm) => createAttestationKey(tpm, object)],
  ['Load', (tpm) => load(tpm, object, key)],
  ['LoadExternal', (tpm) => loadExternal(tpm, storageKey)],
  ['ReadPublic', (tpm) => readPublic(tpm, 0x81000001)],
  ['NV_ReadPublic', (tpm) => findNvIndex(tpm, 0x1500001)],
  ['NV_Read', (tpm) => readNv(tpm, 0x1500001)],
  ['PCR_Read', (tpm) => readPcrs(tpm, selection)],
  ['PCR_Extend', (tpm) => extendPcr(tpm, 16, { hash: bank, value: Buffer.alloc(32) })],
  ['Sign', (tpm) => signDigest(tpm, object, Buffer.alloc(32))],
  ['Quote', (tpm) => makeQuote(tpm, object, bytes(quoted.nonce), selection)],
  ['Certify', (tpm) => certifyKey(tpm, object, object, Buffer.alloc(8))],
  [
    'CertifyCreation',
    (tpm) =>
      certifyCreation(tpm, object, object, {
        nonce: Buffer.alloc(8),
        creation: { data: primary, hash: primary, ticket: primary },
      }),
  ],
  ['Unseal', (tpm) => unseal(tpm, object)],
  ['ContextSave', (tpm) => loadContext(tpm, saveContext(tpm, object.handle))],
  ['HMAC', (tpm) => hmacWith(tpm, object, Buffer.from('x'))],
  ['PolicySecret', (tpm) => tpm.withPolicySession((session) => provenAfter(tpm, session))],
  ['ActivateCredential', (tpm) => activateCredential(tpm, object, object, wrapped.credential)],
  ['Import', (tpm) => importKey(tpm, { storage: object, endorsement: object }, wrapped)],
];

function provenAfter(tpm: Tpm, session: AuthSession): Buffer {
  proveSecret(tpm, session, tpm.endorsement);
  return provenPolicy(tpm, session);
}

/** What came of a call; anything but a result or a KeysteadError fails the test. */
function outcome(run: () => unknown): string {
  try {
    run();
    return 'good';
  } catch (thrown) {
    if (thrown instanceof KeysteadError) return thrown.code;
    throw thrown;
  }
}

describe('a TPM that answers well', () => {
  // The recorded names are of other objects than those that these calls name; names are checked.
  const NAMED = new Set(['Load', 'LoadExternal', 'Quote']);

  it.each(OPERATIONS)('%s', (name, run) => {
    if (!NAMED.has(name)) expect(outcome(() => run(new Tpm(fakeTpm())))).toBe('good');
  });
});

describe('a response', () => {
  const answered = (changes: Changes) => outcome(() => signDigest(new Tpm(fakeTpm(changes)), object, Buffer.alloc(32)));
  const onSign = (change: (octets: Buffer) => Buffer) => ({
    response: (octets: Buffer, command: string) => (command === 'Sign' ? change(octets) : octets),
  });

  it.each<readonly [string, (octets: Buffer) => Buffer]>([
    ['that is empty', () => Buffer.alloc(0)],
    ['shorter than a header', (octets) => octets.subarray(0, 9)],
    ['that is cut', (octets) => octets.subarray(0, -1)],
    ['with octets after its end', (octets) => Buffer.concat([octets, Buffer.of(0)])],
    ['with another size in it', (octets) => (octets.writeUInt32BE(11, 2), octets)],
    ['with a foreign tag', (octets) => (octets.writeUInt16BE(0x00c4, 0), octets)],
    ['with a parameter size beyond its end', (octets) => (octets.writeUInt32BE(0xffff, 10), octets)],
    ['whose parameters were changed on the way', (octets) => ((octets[20] = octets[20]! ^ 1), octets)],
    ['whose HMAC was changed on the way', (octets) => ((octets[octets.length - 1] = octets.at(-1)! ^ 1), octets)],
    [
      'that leaves the sessions out',
      (octets) => {
        const parameters = octets.subarray(14, 14 + octets.readUInt32BE(10));
        const bare = Buffer.concat([bytes('80010000000000000000'), parameters]);
        bare.writeUInt32BE(bare.length, 2);
        return bare;
      },
    ],
  ])('%s is refused', (_, change) => {
    expect(answered(onSign(change))).toBe('TokenFailed');
  });

  it('that says "busy" is asked for again with the same command', () => {
    let times = 0;
    const busy = onSign((octets) => (++times < 4 ? bytes('80010000000a00000922') : octets));
    expect(answered(busy)).toBe('good');
    expect(times).toBe(4);
  });

  it('that knows the sessions no more has them opened anew, once', () => {
    let times = 0;
    const channel = fakeTpm(onSign((octets) => (++times === 1 ? bytes('80010000000a00000918') : octets)));
    signDigest(new Tpm(channel), object, Buffer.alloc(32));
    expect(channel.commands).toEqual(['StartAuthSession', 'Sign', 'StartAuthSession', 'Sign']);
  });
});

describe('mutated input', () => {
  it.each(['parameters', 'response'] as const)('of the TPM, 20000 %s in whole operations, ends typed', (kind) => {
    const dice = new Dice(20_140_101);
    const outcomes = new Map<string, number>();
    let mutated = 0;
    const change = (octets: Buffer): Buffer => {
      if (dice.below(2) > 0) return octets;
      mutated++;
      return notBusy(mutate(octets, dice), kind);
    };
    while (mutated < 20_000) {
      const [name, run] = OPERATIONS[dice.below(OPERATIONS.length)]!;
      const result = `${name}: ${outcome(() => run(new Tpm(fakeTpm({ [kind]: change }))))}`;
      outcomes.set(result, (outcomes.get(result) ?? 0) + 1);
    }
    expect([...outcomes.keys()].filter((result) => result.endsWith(': Internal'))).toEqual([]);
    expect(outcomes.size).toBeGreaterThan(OPERATIONS.length);
  });

  const structures: readonly (readonly [Buffer, (octets: Buffer) => unknown])[] = [
    [storageKey, (octets) => encodePublic(parsePublic(octets))],
    [bytes(quoted.attest), parseAttest],
    [bytes(quoted.signature), (octets) => parseSignature(octets)],
    [bytes(RECORDED.evidence.wrapped), parseWrappedKey],
    [writeLog(SAMPLE_EVENTS), (octets) => replay(parseEventLog(octets), bank)],
    [blobOf('NV_ReadPublic'), (octets) => parseNvPublic(octets, 0x1500001, octets)],
    [encodeSelection([selection]), (octets) => readSelection(new TpmReader(octets, 'selection'))],
  ];
  const frames = Object.entries(RECORDED.responses).map(([name, recorded]) => {
    const body = bytes(recorded.replace(':', ''));
    const header = bytes('80010000000000000000');
    header.writeUInt32BE(10 + body.length, 2);
    const command = name.replace(/\/.*/, '') as CommandName;
    return [Buffer.concat([header, body]), (octets: Buffer) => decodeResponse(command, octets, [])] as const;
  });

  it('of 250000 responses and structures ends in a result or a typed error', () => {
    const sources = [...structures, ...frames];
    const dice = new Dice(42);
    const codes = new Map<string, number>();
    for (let count = 0; count < 250_000; count++) {
      const [source, parse] = sources[count % sources.length]!;
      const code = outcome(() => parse(mutate(source, dice)));
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(codes.has('Internal')).toBe(false);
    expect(codes.get('TokenFailed')).toBeGreaterThan(50_000);
  });

  it('of 6000 public keys is refused before anything is encrypted to it, or is a key', () => {
    const uses: readonly ((octets: Buffer) => unknown)[] = [
      (octets) => publicKeyObject(parsePublic(octets)),
      (octets) => makeCredential(parsePublic(octets), Buffer.alloc(34), Buffer.alloc(16)),
      (attestationKey) => verifyQuote(quote, { attestationKey, nonce: bytes(quoted.nonce), selection, values }),
    ];
    const keys = [storageKey, bytes(quoted.attestationKey), bytes(RECORDED.evidence['RSA-2048'].attestationKey)];
    const dice = new Dice(7);
    for (let count = 0; count < 6_000; count++) {
      const result = outcome(() => uses[count % 3]!(mutate(keys[dice.below(3)]!, dice)));
      expect(result).not.toBe('Internal');
    }
  });
});

const quote = { attest: bytes(quoted.attest), signature: bytes(quoted.signature) };
const values = new Map(Object.entries(quoted.pcrs).map(([pcr, value]) => [Number(pcr), bytes(value)]));

/** Codes that mean "again" would only make the test wait. */
function notBusy(octets: Buffer, kind: 'parameters' | 'response'): Buffer {
  if (kind === 'response' && octets.length >= 10 && [0x908, 0x90a, 0x920, 0x922].includes(octets.readUInt32BE(6)))
    octets[9] = 1;
  return octets;
}
