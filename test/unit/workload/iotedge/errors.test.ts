// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KeysteadError, type ErrorCode } from '../../../../src/errors.ts';
import { Setting, VERSION } from './setting.ts';

const SIGN = { keyId: 'primary', algo: 'HMACSHA256', data: 'AAAA' };
const SIGN_PATH = `/modules/modA/genid/gen-1/sign?${VERSION}`;
const JSON_TYPE = { 'content-type': 'application/json' };
let setting: Setting;

beforeEach(async () => void (setting = await Setting.open()));
afterEach(() => setting.close());

describe('a request of the wrong form', () => {
  it.each([
    ['no version', 'GET', '/trust-bundle', 400, 'api-version not specified'],
    ['an unknown version', 'GET', '/trust-bundle?api-version=2018-06-29', 400, 'invalid api-version "2018-06-29"'],
    ['an empty version', 'GET', '/trust-bundle?api-version=', 400, 'invalid api-version ""'],
    ['no version before no route', 'GET', '/nothing', 400, 'api-version not specified'],
    ['no route', 'GET', `/nothing?${VERSION}`, 404, 'not found'],
    ['more after a route', 'POST', `/modules/modA/genid/gen-1/sign/?${VERSION}`, 404, 'not found'],
    ['more before a route', 'POST', `//modules/modA/genid/gen-1/sign?${VERSION}`, 404, 'not found'],
    ['an empty module id', 'POST', `/modules//genid/gen-1/sign?${VERSION}`, 404, 'not found'],
    ['a route in other letters', 'POST', `/Modules/modA/genid/gen-1/sign?${VERSION}`, 404, 'not found'],
    ['a slash that is encoded', 'POST', `/modules%2FmodA/genid/gen-1/sign?${VERSION}`, 404, 'not found'],
    ['half an escape', 'POST', `/modules/%2/genid/gen-1/sign?${VERSION}`, 404, 'not found'],
    ['bytes that are not UTF-8', 'POST', `/modules/%ff/genid/gen-1/sign?${VERSION}`, 404, 'not found'],
    ['a path upwards', 'POST', `/modules/modA/genid/x/../gen-1/sign?${VERSION}`, 404, 'not found'],
    ['another method', 'GET', SIGN_PATH, 400, 'method not allowed'],
    ['a method that no route has', 'PUT', `/trust-bundle?${VERSION}`, 400, 'method not allowed'],
    ['DELETE', 'DELETE', SIGN_PATH, 400, 'method not allowed'],
  ])('%s', async (...[, method, path, status, message]) => {
    const reply = await setting.call(method, path);
    expect(reply).toMatchObject({ status, body: { message } });
    expect(reply.headers['content-type']).toBe('application/json');
  });

  it.each([
    ['no body', undefined, 400, 'missing request body'],
    ['not JSON', '{"data":', 422, /^request body: expected JSON in UTF-8, found 8 bytes/],
    ['a list', '[]', 422, /expected a JSON object/],
    ['null', 'null', 422, /found null/],
    ['no data', { keyId: 'primary' }, 422, 'missing field `data`'],
    ['a number as data', { ...SIGN, data: 1 }, 422, /^invalid type of field `data`/],
    ['an unknown key', { ...SIGN, keyId: 'tertiary' }, 400, /^invalid parameter: keyId: .* found "tertiary"/],
    ['an unknown algorithm', { ...SIGN, algo: 'SHA1' }, 400, /^invalid parameter: algo: .* found "SHA1"/],
    ['base64 of the URL alphabet', { ...SIGN, data: '_-__' }, 400, /^invalid parameter: data/],
    ['base64 without padding', { ...SIGN, data: 'AA' }, 400, /^invalid parameter: data/],
    ['base64 with bits left over', { ...SIGN, data: 'AB==' }, 400, /^invalid parameter: data/],
    ['base64 with a newline', { ...SIGN, data: 'AAAA\n' }, 400, /^invalid parameter: data/],
  ])('%s', async (_what, body, status, message) => {
    const reply = await setting.call('POST', SIGN_PATH, body, JSON_TYPE);
    expect(reply.status).toBe(status);
    expect(reply.body['message']).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(setting.signed).toBe(0);
  });

  it('passes over a body of another type, as the original does', async () => {
    const reply = await setting.call('POST', SIGN_PATH, SIGN, { 'content-type': 'text/plain' });
    expect(reply).toMatchObject({ status: 400, body: { message: 'missing request body' } });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(await setting.call('POST', `/modules/modA/certificate/identity?${VERSION}`, 'a=b', form)).toMatchObject({
      status: 201,
    });
  });

  it.each(['plaintext', 'initializationVector'])('encrypt without %s', async (name) => {
    const given = { plaintext: 'AAAA', initializationVector: 'AAAA', [name]: undefined };
    expect(await setting.post('genid/gen-1/encrypt', given)).toMatchObject({ status: 422 });
  });
});

describe('who asks', () => {
  it.each([
    ['another module', '/modules/modB/genid/gen-1/sign', /^ModuleMismatch: .* modA or \$edgeHub, found "modB"/],
    ['another generation', '/modules/modA/genid/gen-2/sign', /^GenerationMismatch: expected gen-1, .* found "gen-2"/],
    ["another's generation", '/modules/%24edgeHub/genid/gen-1/sign', /^GenerationMismatch/],
  ])('is refused as %s', async (_what, path, message) => {
    const reply = await setting.call('POST', `${path}?${VERSION}`, SIGN, JSON_TYPE);
    expect(reply).toMatchObject({ status: 403, body: { message: expect.stringMatching(message) as unknown } });
    expect(setting.signed).toBe(0);
  });

  it('is refused with the reason of the rule, whatever it asks', async () => {
    setting.refusal = new KeysteadError('PermissionDenied', 'ImageDigestMismatch: expected x, found y');
    const expected = { status: 403, body: { message: 'ImageDigestMismatch: expected x, found y' } };
    expect(await setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE)).toMatchObject(expected);
    expect(await setting.call('GET', `/modules?${VERSION}`)).toMatchObject(expected);
    expect(await setting.post('certificate/identity')).toMatchObject(expected);
  });

  it('is refused a name that it was not granted', async () => {
    const reply = await setting.post('genid/gen-1/certificate/server', { commonName: 'bank.example' });
    expect(reply).toMatchObject({
      status: 403,
      body: { message: 'expected one of gateway, found bank.example' },
    });
  });
});

describe('what is asked while the identity is withdrawn', () => {
  it.each([
    ['given to nobody', new KeysteadError('PermissionDenied', 'LineageMismatch: expected x'), 403],
    ['given where it stays', undefined, 201],
  ])('is %s', async (_what, withdrawn, status) => {
    let answer = (): void => undefined;
    setting.gate = new Promise((resolve) => (answer = resolve));
    const reply = setting.post('certificate/identity');
    await setting.untilAsked(1);
    setting.withdrawn = withdrawn;
    answer();
    expect(await reply).toMatchObject({ status });
    expect('privateKey' in (await reply).body).toBe(status === 201);
  });
});

describe('what passes', () => {
  it.each(['Unavailable', 'TokenFailed', 'TokenAbsent', 'Overloaded'] as const)(
    'is waited for, not handed on: %s',
    async (code) => {
      setting.failures.push(new KeysteadError(code, 'just now'), new KeysteadError(code, 'just now'));
      expect(await setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE)).toMatchObject({ status: 200 });
    },
  );

  it('is told with a time to try again where no wait was enough', async () => {
    setting.failures.push(...Array.from({ length: 50 }, () => new KeysteadError('Unavailable', 'the notary is away')));
    const reply = await setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE);
    expect(reply).toMatchObject({ status: 503, body: { message: 'Unavailable: the notary is away' } });
    expect(reply.headers['retry-after']).toBe('1');
  });

  it('an unknown trust bundle is waited for too', async () => {
    setting.bundle = '';
    const asked = setting.call('GET', `/trust-bundle?${VERSION}`);
    setTimeout(() => (setting.bundle = 'PEM'), 60);
    expect(await asked).toMatchObject({ status: 200, body: { certificate: 'PEM' } });
  });
});

describe('what does not pass', () => {
  it.each<[ErrorCode, number, string]>([
    ['InvalidRequest', 400, 'InvalidRequest: why'],
    ['MechanismMissing', 500, 'MechanismMissing: why'],
    ['PinLocked', 500, 'PinLocked: why'],
    ['AuditUnavailable', 503, 'AuditUnavailable: why'],
    ['Internal', 500, 'internal error: see the log of the Keystead agent'],
  ])('%s is %i at once', async (code, status, message) => {
    setting.failures.push(new KeysteadError(code, 'why'));
    expect(await setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE)).toMatchObject({ status, body: { message } });
  });
});
