// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { API_VERSIONS } from '../../../../src/workload/iotedge/api-version.ts';
import { digestOf, Setting, VERSION } from './setting.ts';

const DATA = Buffer.from('hub.azure-devices.net%2Fdevices%2Fd%2Fmodules%2FmodA\n1795322675');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const SIGN = { keyId: 'primary', algo: 'HMACSHA256', data: DATA.toString('base64') };
const CERTIFICATE = {
  privateKey: { type: 'key', bytes: 'KEY' },
  certificate: 'CHAIN',
  expiration: '2026-11-22T12:30:05+00:00',
};
let setting: Setting;

beforeEach(async () => void (setting = await Setting.open()));
afterEach(() => setting.close());

describe('POST sign', () => {
  it('answers the digest as JSON', async () => {
    const reply = await setting.post('genid/gen-1/sign', SIGN);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.body).toEqual({ digest: digestOf('primary', DATA) });
  });

  it.each([
    ['the other key', { keyId: 'secondary' }, 'secondary'],
    ['another way to write the algorithm', { algo: 'HmacSHA256' }, 'primary'],
    ['neither key nor algorithm', { keyId: undefined, algo: undefined }, 'primary'],
    ['fields that nobody knows', { more: [1] }, 'primary'],
  ] as const)('takes %s', async (_what, change, keyId) => {
    const { status, body } = await setting.post('genid/gen-1/sign', { ...SIGN, ...change });
    expect({ status, body }).toEqual({ status: 200, body: { digest: digestOf(keyId, DATA) } });
  });

  it('takes JSON of no said type, as the SDK for Python sends it, and with a charset', async () => {
    const path = `/modules/modA/genid/gen-1/sign?${VERSION}`;
    expect(await setting.call('POST', path, SIGN)).toMatchObject({ status: 200 });
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect(await setting.call('POST', path, SIGN, headers)).toMatchObject({ status: 200 });
  });

  it('takes every version of the API, of several the last', async () => {
    for (const version of API_VERSIONS) {
      const path = `/modules/modA/genid/gen-1/sign?api-version=${version}`;
      expect(await setting.call('POST', path, SIGN)).toMatchObject({ status: 200 });
    }
    const path = `/modules/modA/genid/gen-1/sign?api-version=x&api-version=2022-08-03`;
    expect(await setting.call('POST', path, SIGN)).toMatchObject({ status: 200 });
  });

  it('takes percent-encoded module and generation ids', async () => {
    const path = `/modules/%24edgeHub/genid/gen%202/sign?${VERSION}`;
    expect(await setting.call('POST', path, SIGN)).toMatchObject({ status: 200 });
    expect(await setting.call('POST', `http://any:80${path}`, SIGN)).toMatchObject({ status: 200 });
  });
});

describe('the other routes', () => {
  it('encrypt and decrypt', async () => {
    const given = { plaintext: base64('secret'), initializationVector: base64('iv') };
    const encrypted = await setting.post('genid/gen-1/encrypt', given);
    expect(encrypted).toMatchObject({ status: 200, body: { ciphertext: base64('modA|iv|secret') } });
    const { ciphertext } = encrypted.body;
    const decrypted = await setting.post('genid/gen-1/decrypt', { ciphertext, initializationVector: base64('iv') });
    expect(decrypted).toMatchObject({ status: 200, body: { plaintext: base64('secret') } });
  });

  it('certificate/server gives key, chain and end with 201', async () => {
    const given = { commonName: 'gateway', expiration: '2020-01-01T00:00:00Z' };
    const { status, body } = await setting.post('genid/gen-1/certificate/server', given);
    expect({ status, body }).toEqual({ status: 201, body: CERTIFICATE });
  });

  it('certificate/identity does the same without generation id and body', async () => {
    const { status, body } = await setting.post('certificate/identity');
    expect({ status, body }).toEqual({ status: 201, body: CERTIFICATE });
    expect(await setting.post('certificate/identity', { expiration: 'x' })).toMatchObject({ status: 201 });
  });

  it('trust-bundle is there for whoever reaches the socket', async () => {
    setting.refusal = undefined;
    const { status, body } = await setting.call('GET', `/trust-bundle?${VERSION}`);
    expect({ status, body }).toEqual({ status: 200, body: { certificate: 'PEM' } });
  });

  it('manifest-trust-bundle is empty', async () => {
    const { status, body } = await setting.call('GET', '/manifest-trust-bundle?api-version=2020-07-07');
    expect({ status, body }).toEqual({ status: 200, body: { certificate: '' } });
  });

  it.each(['/modules', '/modules/'])('%s lists', async (path) => {
    const { status, body } = await setting.call('GET', `${path}?${VERSION}`);
    const module = (name: string, image: string, found: object) => ({
      id: 'id',
      name,
      type: 'docker',
      config: { settings: { image }, env: [] },
      status: found,
    });
    const running = { startTime: '2026-11-22T12:00:00Z', runtimeStatus: { status: 'running' } };
    const failed = {
      exitStatus: { exitTime: '2026-11-22T12:30:00Z', statusCode: '1' },
      runtimeStatus: { status: 'failed' },
    };
    expect({ status, body }).toEqual({
      status: 200,
      body: { modules: [module('modA', 'registry/x@sha256:0', running), module('modB', '', failed)] },
    });
  });
});
