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

beforeEach(() => {
  token = new MemoryToken();
  keys = new HubKeys(token.open(), HOME);
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
    expect(sign(MODULE, 'primary', new HubKeys(token.open(), HOME))).toBe(digest);
    const others = [
      sign(MODULE, 'secondary'),
      sign({ ...MODULE, generationId: 'gen-2' }),
      sign({ ...MODULE, moduleId: 'modB' }),
      sign({ ...MODULE, namespace: 'office' }),
      sign(MODULE, 'primary', new HubKeys(token.open(), { ...HOME, node: 'node-2' })),
    ];
    expect(new Set([digest, ...others]).size).toBe(6);
  });

  it('is of the newest master secret', () => {
    const before = sign();
    token.open().generateSecret('keystead-master:edge.example:node-1:2');
    expect(sign(MODULE, 'primary', new HubKeys(token.open(), HOME))).not.toBe(before);
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
    expect(signImported(MODULE, 'primary', new HubKeys(token.open(), HOME))).toBe(digest);
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

  it('says in its name whose it is', () => {
    const uri = keys.import({ module: MODULE, keyId: 'secondary', key: KEY });
    expect(uri).toBe('pkcs11:object=keystead-hub:edge.example:node-1:plant:secondary:gen-1:modA');
  });
});

describe('encryption', () => {
  it('gives back what it took, also the empty text, and after a restart', () => {
    expect(decrypt(encrypt())).toEqual(SECRET);
    expect(decrypt(encrypt(MODULE, Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
    expect(decrypt(encrypt(), MODULE, VECTOR, new HubKeys(token.open(), HOME))).toEqual(SECRET);
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
      changed[index]! ^= 1;
      expect(() => decrypt(changed)).toThrow(/ciphertext: expected|no master secret of version/);
    }
  });

  it.each([0, 1, 32])('is not undone where it is %i bytes long', (length) => {
    expect(() => decrypt(encrypt().subarray(0, length))).toThrow(/^ciphertext: expected at least 33 bytes, found/);
  });

  it('of IoT Edge itself is told', () => {
    const theirs = Buffer.concat([Buffer.of(2), Buffer.alloc(40)]);
    expect(() => decrypt(theirs)).toThrow("expected format 3, as this node's encrypt gives it, found format 2");
  });

  it('is undone with the master secret that it was done with', () => {
    const text = encrypt();
    token.open().generateSecret('keystead-master:edge.example:node-1:2');
    const later = new HubKeys(token.open(), HOME);
    expect(decrypt(text, MODULE, VECTOR, later)).toEqual(SECRET);
    token.secrets.delete(MASTER);
    expect(() => decrypt(text, MODULE, VECTOR, new HubKeys(token.open(), HOME))).toThrow(
      'there is no master secret of version 1',
    );
  });
});
