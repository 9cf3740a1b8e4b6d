// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { HubKeys } from '../../../src/notary/hub-keys.ts';
import { lengthPrefixed } from '../../../src/notary/length-prefixed.ts';
import type { HubKeySource, HubModuleName } from '../../../src/notary/hub-port.ts';
import { MemoryToken } from './memory-root.ts';

const HOME = { trustDomain: 'edge.example', node: 'node-1' };
const MODULE = { namespace: 'plant', moduleId: 'modA', generationId: 'gen-1' };
const DATA = Buffer.from('hub%2Fdevices%2Fd%2Fmodules%2FmodA\n1795322675');
const VECTOR: Buffer = Buffer.from('iv');
const SECRET = Buffer.from('what nobody may know');
const MASTER = 'keystead-master:edge.example:node-1:1';
let token: MemoryToken;
let keys: HubKeys;
/** The notary's state. */
let documents: Map<string, unknown>;
const state = {
  read: (name: string): unknown => documents.get(name),
  write: (name: string, document: unknown): void => void documents.set(name, document),
};

beforeEach(() => {
  documents = new Map();
  token = new MemoryToken();
  keys = new HubKeys(token.open(), HOME, state);
});

type KeyId = 'primary' | 'secondary';
const signBy = (source: HubKeySource) => {
  return (module: HubModuleName = MODULE, keyId: KeyId = 'primary', of = keys): string =>
    of.sign({ module, keyId, source, data: DATA }).result.toString('hex');
};
const sign = signBy('Derived');
const signImported = signBy('Imported');
const encrypt = (module: HubModuleName = MODULE, text: Buffer = SECRET, initializationVector = VECTOR): Buffer =>
  keys.encrypt({ module, initializationVector, text }).result;
const decrypt = (text: Buffer, module: HubModuleName = MODULE, initializationVector = VECTOR, of = keys): Buffer =>
  of.decrypt({ module, initializationVector, text }).result;

describe('a derived key', () => {
  it('derives from a master secret on the token, each part of its name with its length', () => {
    const digest = sign();
    const parts = ['keystead hub signing', 'plant', 'modA', 'gen-1', 'primary'].map((part) => Buffer.from(part));
    const derived = token.secrets.get(MASTER)!.hmac(lengthPrefixed(...parts));
    expect(digest).toBe(createHmac('sha256', derived).update(DATA).digest('hex'));
    expect([...token.secrets.keys()]).toEqual([MASTER]);
  });

  it('is the same after a restart, and another one for each key, generation, module, namespace and node', () => {
    const digest = sign();
    expect(sign(MODULE, 'primary', new HubKeys(token.open(), HOME, state))).toBe(digest);
    const others = [
      sign(MODULE, 'secondary'),
      sign({ ...MODULE, generationId: 'gen-2' }),
      sign({ ...MODULE, moduleId: 'modB' }),
      sign({ ...MODULE, namespace: 'office' }),
      sign(MODULE, 'primary', new HubKeys(token.open(), { ...HOME, node: 'node-2' }, state)),
    ];
    expect(new Set([digest, ...others]).size).toBe(6);
  });

  it('is of the newest master secret', () => {
    const before = sign();
    token.open().generateSecret('keystead-master:edge.example:node-1:2');
    expect(sign(MODULE, 'primary', new HubKeys(token.open(), HOME, state))).not.toBe(before);
  });

  it('tells which key on the token it came from', () => {
    const { keyUri } = keys.sign({ module: MODULE, keyId: 'primary', source: 'Derived', data: DATA });
    expect(keyUri).toBe(`pkcs11:object=${MASTER}`);
  });
});

describe('a key that the hub made', () => {
  const KEY = Buffer.alloc(32, 7);

  it('signs for that module and key alone, also after a restart; the derived one stays', () => {
    const derived = sign();
    keys.import({ module: MODULE, keyId: 'primary', key: KEY });
    const digest = createHmac('sha256', KEY).update(DATA).digest('hex');
    expect(signImported()).toBe(digest);
    expect(signImported(MODULE, 'primary', new HubKeys(token.open(), HOME, state))).toBe(digest);
    expect(sign()).toBe(derived);
    const others = [{ generationId: 'gen-2' }, { moduleId: 'modB' }, { namespace: 'office' }];
    for (const other of others) expect(() => signImported({ ...MODULE, ...other })).toThrow(/was not brought into/);
    expect(() => signImported(MODULE, 'secondary')).toThrow(
      'the secondary key of modA, generation gen-1, in namespace plant was not brought into this node',
    );
  });

  it('is brought in once, and replaced by another', () => {
    const uri = keys.import({ module: MODULE, keyId: 'primary', key: KEY });
    const held = [...token.secrets.values()];
    expect(keys.import({ module: MODULE, keyId: 'primary', key: KEY })).toBe(uri);
    expect([...token.secrets.values()]).toEqual(held);
    keys.import({ module: MODULE, keyId: 'primary', key: Buffer.alloc(32, 8) });
    expect(signImported()).toBe(createHmac('sha256', Buffer.alloc(32, 8)).update(DATA).digest('hex'));
  });

  it('is listed by name, with those of this node alone, and is gone once destroyed', () => {
    const edgeHub = { ...MODULE, moduleId: '$edge:Hub' };
    keys.import({ module: edgeHub, keyId: 'secondary', key: KEY });
    keys.import({ module: MODULE, keyId: 'primary', key: KEY });
    keys.import({ module: MODULE, keyId: 'encryption', key: Buffer.alloc(32, 9) });
    new HubKeys(token.open(), { ...HOME, node: 'node-2' }, { read: () => undefined, write: () => undefined }).import({
      ...{ module: MODULE, keyId: 'primary', key: KEY },
    });
    token.open().importSecret('keystead-hub:edge.example:node-1:plant:tertiary:gen-1:modA', KEY);
    const names = [
      { module: MODULE, keyId: 'primary' },
      { module: edgeHub, keyId: 'secondary' },
      { module: MODULE, keyId: 'encryption' },
    ] as const;
    expect(keys.list()).toEqual(names);
    const before = token.secrets.size;
    const label = 'keystead-hub:edge.example:node-1:plant:primary:gen-1:modA';
    expect(keys.destroy(names[0])).toBe(`pkcs11:object=${label}`);
    expect(token.secrets.has(label)).toBe(false);
    expect(token.secrets.size).toBe(before - 1);
    expect(() => signImported()).toThrow(/was not brought into/);
    expect(signImported(edgeHub, 'secondary')).toHaveLength(64);
    expect(keys.list()).toEqual(names.slice(1));
    keys.destroy(names[2]);
    expect(JSON.stringify([...documents])).not.toContain('modA');
    expect(keys.list()).toEqual([names[1]]);
    expect(() => names.forEach((name) => keys.destroy(name))).not.toThrow();
    expect(keys.list()).toEqual([]);
    keys.import({ module: MODULE, keyId: 'primary', key: KEY });
    expect(signImported()).toHaveLength(64);
  });

  it('says in its name whose it is', () => {
    const uri = keys.import({ module: MODULE, keyId: 'secondary', key: KEY });
    expect(uri).toBe('pkcs11:object=keystead-hub:edge.example:node-1:plant:secondary:gen-1:modA');
  });
});

describe('encryption', () => {
  it('gives back what it took, also the empty text, and after a restart', () => {
    expect(decrypt(encrypt())).toEqual(SECRET);
    expect(decrypt(encrypt(MODULE, Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
    expect(decrypt(encrypt(), MODULE, VECTOR, new HubKeys(token.open(), HOME, state))).toEqual(SECRET);
  });

  it('never gives the same twice', () => {
    expect(encrypt().equals(encrypt())).toBe(false);
  });

  it.each<[string, HubModuleName, Buffer]>([
    ['another module', { ...MODULE, moduleId: 'modB' }, VECTOR],
    ['another generation', { ...MODULE, generationId: 'gen-2' }, VECTOR],
    ['another namespace', { ...MODULE, namespace: 'office' }, VECTOR],
    ['letters moved from one name to the other', { ...MODULE, moduleId: 'modAg', generationId: 'en-1' }, VECTOR],
    ['another initialization vector', MODULE, Buffer.from('iw')],
  ])('is not undone for %s', (_what, module, vector) => {
    const text = encrypt();
    expect(() => decrypt(text, module, vector)).toThrow(/^ciphertext: expected one of this module and generation/);
    expect(decrypt(text)).toEqual(SECRET);
  });

  it('finds every changed octet', () => {
    const text = encrypt();
    for (let index = 0; index < text.length; index++) {
      const changed: Buffer = Buffer.from(text);
      changed[index]! ^= 4;
      expect(() => decrypt(changed)).toThrow(/ciphertext: expected|no master secret of version/);
    }
  });

  it.each([0, 1, 32])('is not undone where it is %i bytes long', (length) => {
    expect(() => decrypt(encrypt().subarray(0, length))).toThrow(/^ciphertext: expected at least 33 bytes, found/);
  });

  it('of a format that nobody has is told', () => {
    const theirs = Buffer.concat([Buffer.of(4), Buffer.alloc(40)]);
    expect(() => decrypt(theirs)).toThrow("expected format 3, as this node's encrypt gives it, found format 4");
  });

  it('is undone with the master secret that it was done with', () => {
    const text = encrypt();
    token.open().generateSecret('keystead-master:edge.example:node-1:2');
    const later = new HubKeys(token.open(), HOME, state);
    expect(decrypt(text, MODULE, VECTOR, later)).toEqual(SECRET);
    token.secrets.delete(MASTER);
    expect(() => decrypt(text, MODULE, VECTOR, new HubKeys(token.open(), HOME, state))).toThrow(
      'there is no master secret of version 1',
    );
  });
});

/** Made by Python's `cryptography` (AESGCM), key `00 01 … 1f`: module `modA`, generation `gen-1`, vector `old iv, 12 b`. */
describe('what IoT Edge has encrypted', () => {
  const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  const OLD = Buffer.from('6f6c642069762c2031322062', 'hex');
  const PLAIN = 'from before the migration';
  const TAG_LAST = Buffer.from(
    '02199a107ba8078be1b88e76444ee39c0412b654758a550342a36b393d7eb082e73404b25191442072d0',
    'hex',
  );
  const TAG_FIRST = Buffer.from(
    '016b393d7eb082e73404b25191442072d0199a107ba8078be1b88e76444ee39c0412b654758a550342a3',
    'hex',
  );
  const OF_AES_128 = Buffer.from(
    '021691b56897283e0baf8921ae35b881d3ad0335009afa854ad089a2a6a45892791cbf8724284bf1782c',
    'hex',
  );
  const EMPTY = Buffer.from('027a1a3c9293210ed72d8430284c9afcb6', 'hex');

  it.each([
    ['format 2', TAG_LAST, KEY, PLAIN],
    ['format 1', TAG_FIRST, KEY, PLAIN],
    ['a key of 16 octets', OF_AES_128, KEY.subarray(0, 16), PLAIN],
    ['nothing', EMPTY, KEY, ''],
  ])('is decrypted with the key that was brought in: %s', (_, ciphertext, key, plain) => {
    keys.import({ module: MODULE, keyId: 'encryption', key: Buffer.from(key) });
    expect(decrypt(ciphertext, MODULE, OLD).toString()).toBe(plain);
    expect(decrypt(ciphertext, MODULE, OLD, new HubKeys(token.open(), HOME, state)).toString()).toBe(plain);
  });

  it('is not for another module, generation or vector, nor changed, cut off, or in the other format', () => {
    for (const moduleId of ['modA', 'modB']) {
      keys.import({ module: { ...MODULE, moduleId }, keyId: 'encryption', key: Buffer.from(KEY) });
    }
    keys.import({ module: { ...MODULE, generationId: 'gen-2' }, keyId: 'encryption', key: Buffer.from(KEY) });
    const refused = expect.objectContaining({ code: 'InvalidRequest' });
    expect(() => decrypt(TAG_LAST, { ...MODULE, moduleId: 'modB' }, OLD)).toThrow(refused);
    expect(() => decrypt(TAG_LAST, { ...MODULE, generationId: 'gen-2' }, OLD)).toThrow(refused);
    expect(() => decrypt(TAG_LAST, MODULE, Buffer.from('new iv, 12 b'))).toThrow(refused);
    expect(() => decrypt(TAG_LAST, MODULE, Buffer.alloc(0))).toThrow(refused);
    for (let at = 1; at < TAG_LAST.length; at++) {
      const changed = Buffer.from(TAG_LAST);
      changed.writeUInt8((changed[at] ?? 0) ^ 1, at);
      expect(() => decrypt(changed, MODULE, OLD)).toThrow(refused);
      expect(() => decrypt(TAG_LAST.subarray(0, at), MODULE, OLD)).toThrow(refused);
    }
    expect(() => decrypt(Buffer.concat([Buffer.of(1), TAG_LAST.subarray(1)]), MODULE, OLD)).toThrow(refused);
  });

  it('is told to need its key where that was never brought in, or the master secret is another', () => {
    const missing = expect.objectContaining({ code: 'NotFound' });
    expect(() => decrypt(TAG_LAST, MODULE, OLD)).toThrow(missing);
    keys.import({ module: MODULE, keyId: 'encryption', key: Buffer.from(KEY) });
    expect(() => decrypt(TAG_LAST, { ...MODULE, namespace: 'other' }, OLD)).toThrow(missing);
    token = new MemoryToken();
    const after = new HubKeys(token.open(), HOME, state);
    expect(() => decrypt(TAG_LAST, MODULE, OLD, after)).toThrow(missing);
    after.import({ module: MODULE, keyId: 'encryption', key: Buffer.from(KEY) });
    expect(decrypt(TAG_LAST, MODULE, OLD, after).toString()).toBe(PLAIN);
  });

  it('leaves its key nowhere but sealed, and what is new is of our own format', () => {
    keys.import({ module: MODULE, keyId: 'encryption', key: Buffer.from(KEY) });
    const kept = JSON.stringify([...documents]);
    expect(kept).toContain('plant:gen-1:modA');
    for (const form of ['hex', 'base64'] as const) expect(kept).not.toContain(KEY.toString(form).slice(0, 20));
    expect([...token.secrets.keys()]).toEqual([MASTER]);
    expect(encrypt()[0]).toBe(3);
    for (const length of [15, 17, 64]) {
      const key = Buffer.alloc(length, 7);
      expect(() => keys.import({ module: MODULE, keyId: 'encryption', key })).toThrow(/16 or 32 bytes/);
    }
  });
});
