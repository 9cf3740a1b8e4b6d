// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { KeysteadError } from '../../../src/errors.ts';
import type { HubKeyId, HubKeySource } from '../../../src/notary/hub-port.ts';
import { encodeRequest, openEnvelope, readEnvelope } from '../../../src/notary/messages.ts';
import type { Request } from '../../../src/notary/protocol.ts';
import { CONFIGURATION, REQUEST, serviceOver } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const { requester } = REQUEST;
const module = { namespace: 'plant', moduleId: '$edgeHub', generationId: '638000000000000000' };
const data = Buffer.from('what is signed');
const SIGN = { module, keyId: 'primary' as HubKeyId, source: 'Derived' as HubKeySource, data, requester };
let token: MemoryToken;
let started: ReturnType<typeof serviceOver>;

beforeEach(() => {
  token = new MemoryToken();
  started = serviceOver({ token });
  started.service.configure(CONFIGURATION);
});
afterEach(() => started.service.close());

const decodeRequest = (contents: Buffer): Request => openEnvelope(readEnvelope(contents.toString('utf8')));
const onTheWire = (operation: string, body: unknown): Buffer =>
  Buffer.from(JSON.stringify({ v: 1, id: 1, op: operation, body }));
const wireBody = { ...SIGN, data: data.toString('base64') };

describe('over the socket', () => {
  it.each<Request>([
    { id: 1, operation: 'hubSign', body: SIGN },
    { id: 2, operation: 'hubEncrypt', body: { module, initializationVector: data, text: data, requester } },
    { id: 3, operation: 'hubDecrypt', body: { module, initializationVector: data, text: data, requester } },
    { id: 4, operation: 'importHubKey', body: { module, keyId: 'secondary', key: Buffer.alloc(32, 1) } },
    { id: 5, operation: 'hubKeys', body: {} },
    { id: 6, operation: 'destroyHubKey', body: { module, keyId: 'encryption' } },
  ])('$operation arrives as it was sent', (request) => {
    expect(decodeRequest(Buffer.from(JSON.stringify(encodeRequest(request))))).toEqual(request);
  });

  it.each([
    ['a generation with a colon, which would be part of the module id', { module: { ...module, generationId: 'a:b' } }],
    ['a module id with a NUL', { module: { ...module, moduleId: 'a\0b' } }],
    ['a module id of 129 characters', { module: { ...module, moduleId: 'm'.repeat(129) } }],
    ['an empty module id', { module: { ...module, moduleId: '' } }],
    ['a namespace with a colon', { module: { ...module, namespace: 'a:b' } }],
    ['a third key', { keyId: 'tertiary' }],
    ['a key of nowhere', { source: 'Memory' }],
    ['data that is not base64', { data: '~' }],
    ['more data than fits', { data: Buffer.alloc(41 * 1024).toString('base64') }],
    ['no requester', { requester: undefined }],
  ])('refuses %s', (_what, change) => {
    expect(() => decodeRequest(onTheWire('hubSign', { ...wireBody, ...change }))).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ code: 'InvalidRequest' }) as unknown }),
    );
    expect(decodeRequest(onTheWire('hubSign', wireBody))).toMatchObject({ operation: 'hubSign' });
  });

  it.each(['c2VjcmV0~~~~secret', 'c2hvcnQ='])('never shows a key that it refuses: %s', (key) => {
    const body = { module, keyId: 'primary', key };
    const text = ((): string => {
      try {
        return JSON.stringify(decodeRequest(onTheWire('importHubKey', body)));
      } catch (error) {
        return String(error);
      }
    })();
    expect(text).toMatch(/^Error: body\.key: expected/);
    expect(text).not.toContain(key.slice(0, 6));
  });
});

describe('each use', () => {
  it('is recorded with who asked and the key on the token, never with what went in or came out', () => {
    const digest = started.service.hubSign(SIGN);
    const text = started.service.hubEncrypt({ module, initializationVector: data, text: data, requester });
    started.service.hubDecrypt({ module, initializationVector: data, text, requester });
    const keyUri = 'pkcs11:object=keystead-master:edge.example:node-1:1';
    const record = (operation: string): object => ({ operation, requester, result: 'Done', keyUri });
    expect(started.audit.entries).toEqual([record('hubSign'), record('hubEncrypt'), record('hubDecrypt')]);
    expect(JSON.stringify(started.audit.entries)).not.toContain(digest.toString('base64'));
  });

  it('is recorded where it was refused', () => {
    token.generationFailure = new KeysteadError('MechanismMissing', 'no CKM_SHA256_HMAC');
    expect(() => started.service.hubSign(SIGN)).toThrow('no CKM_SHA256_HMAC');
    expect(started.audit.entries).toEqual([
      expect.objectContaining({ operation: 'hubSign', result: 'MechanismMissing', reason: 'no CKM_SHA256_HMAC' }),
    ]);
  });

  it('of a key brought in wipes what was given and names the key', () => {
    const key = Buffer.alloc(32, 9);
    started.service.importHubKey({ module, keyId: 'primary', key });
    expect(key.equals(Buffer.alloc(32))).toBe(true);
    expect(started.service.hubSign({ ...SIGN, source: 'Imported' })).toEqual(
      createHmac('sha256', Buffer.alloc(32, 9)).update(data).digest(),
    );
    expect(started.audit.entries[0]).toMatchObject({
      operation: 'importHubKey',
      keyUri: expect.stringContaining('plant:primary:638000000000000000:$edgeHub') as unknown,
    });
  });

  it('of a key brought in ends when it is destroyed, which is recorded; the names tell nothing of the key', () => {
    started.service.importHubKey({ module, keyId: 'primary', key: Buffer.alloc(32, 9) });
    expect(started.service.hubKeys()).toEqual([{ module, keyId: 'primary' }]);
    started.service.destroyHubKey({ module, keyId: 'primary' });
    expect(started.service.hubKeys()).toEqual([]);
    expect(started.audit.entries.at(-1)).toEqual({
      ...{ operation: 'destroyHubKey', result: 'Done' },
      keyUri: expect.stringContaining('plant:primary:638000000000000000:$edgeHub') as unknown,
    });
    expect(() => started.service.hubSign({ ...SIGN, source: 'Imported' })).toThrow(/was not brought into/);
  });

  it('needs a token that can do it, and leaves certificates alone where it cannot', () => {
    token.generationFailure = new KeysteadError('MechanismMissing', 'no CKM_GENERIC_SECRET_KEY_GEN');
    expect(() => started.service.hubSign(SIGN)).toThrow(expect.objectContaining({ code: 'MechanismMissing' }));
    expect(started.service.issue(REQUEST).chain).toHaveLength(1);
    expect(token.opened).toBe(1);
  });
});
