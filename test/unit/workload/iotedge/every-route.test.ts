// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { API_VERSIONS } from '../../../../src/workload/iotedge/api-version.ts';
import { Setting, VERSION, type Reply } from './setting.ts';

/** What may be wrong with a request, tried on each route that the API has; each is told so in the API's own form. */
let setting: Setting;
beforeEach(async () => void (setting = await Setting.open()));
afterEach(() => setting.close());

const JSON_TYPE = { 'content-type': 'application/json' };
const LIMIT = 48 * 1024;

interface Post {
  readonly path: string;
  /** The least that is answered. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly base64: readonly string[];
  readonly text: readonly string[];
  readonly answer: number;
}

const OF_GENERATION = '/modules/modA/genid/gen-1';
const POSTS: Readonly<Record<string, Post>> = {
  sign: {
    path: `${OF_GENERATION}/sign`,
    body: { data: 'AAAA' },
    base64: ['data'],
    text: ['keyId', 'algo'],
    answer: 200,
  },
  encrypt: {
    path: `${OF_GENERATION}/encrypt`,
    body: { plaintext: 'AAAA', initializationVector: 'AAAA' },
    base64: ['plaintext', 'initializationVector'],
    text: [],
    answer: 200,
  },
  decrypt: {
    path: `${OF_GENERATION}/decrypt`,
    body: { ciphertext: 'AAAA', initializationVector: 'AAAA' },
    base64: ['ciphertext', 'initializationVector'],
    text: [],
    answer: 200,
  },
  'certificate/server': {
    path: `${OF_GENERATION}/certificate/server`,
    body: { commonName: 'gateway' },
    base64: [],
    text: ['commonName'],
    answer: 201,
  },
  'certificate/identity': { path: '/modules/modA/certificate/identity', body: {}, base64: [], text: [], answer: 201 },
};
const GETS = ['/trust-bundle', '/manifest-trust-bundle', '/modules', '/modules/'];
const ROUTES = [...Object.entries(POSTS), ...GETS.map((path) => [path, { path }] as const)];

const post = (path: string, body: unknown, headers: Record<string, string> = JSON_TYPE): Promise<Reply> =>
  setting.call('POST', `${path}?${VERSION}`, body, headers);

/** An answer of the API that is an error: its status, and nothing in the body but a message. */
function expectError({ status, headers, body }: Reply, expected: number, message: RegExp): void {
  expect({ status, type: headers['content-type'] }).toEqual({ status: expected, type: 'application/json' });
  expect(Object.keys(body)).toEqual(['message']);
  expect(body['message']).toMatch(message);
}

describe.each(Object.entries(POSTS))('POST %s', (_, { path, body, base64, text, answer }) => {
  it('is answered as it should be asked, in each version, which is the control of the others', async () => {
    for (const version of API_VERSIONS) {
      const reply = await setting.call('POST', `${path}?api-version=${version}`, body, JSON_TYPE);
      expect(reply.status).toBe(answer);
    }
  });

  it('with a field that is missing, of another type, or wrongly encoded, is told which', async () => {
    for (const name of [...base64, ...text]) {
      const isOptional = !Object.hasOwn(body, name);
      if (!isOptional)
        expectError(await post(path, { ...body, [name]: undefined }), 422, new RegExp(`missing field.*${name}`));
      for (const other of [1, true, null, [], ['AAAA'], { a: 'b' }]) {
        expectError(await post(path, { ...body, [name]: other }), 422, new RegExp(`invalid type of field.*${name}`));
      }
    }
    for (const name of base64) {
      for (const other of ['A', 'AAA', 'AA=', 'AB==', 'A_-A', ' AAAA', 'AAAA\n', 'AAAA====', '%41AAA', 'ÄÖÜ=']) {
        expectError(
          await post(path, { ...body, [name]: other }),
          400,
          new RegExp(`^invalid parameter: ${name}: expected base64`),
        );
      }
    }
  });

  it('with a body that is no JSON object is told so', async () => {
    for (const other of ['{', '[]', 'null', '"text"', '1', '{"a":1}{', '\u0000', '{"a":"\u0001"}', 'data=AAAA']) {
      expectError(await post(path, other), 422, /^request body: expected (a JSON object|JSON in UTF-8)/);
    }
  });

  it('with a field twice counts the last, and with fields of every object passes over them', async () => {
    const twice = `{${[...base64, ...text].map((name) => `"${name}":1,`).join('')}${JSON.stringify(body).slice(1)}`;
    if (Object.keys(body).length === base64.length + text.length) {
      expect((await post(path, twice)).status).toBe(answer);
    }
    const more = `{"__proto__":{"data":1},"constructor":1,"toString":[],${JSON.stringify({ x: 1, ...body }).slice(1)}`;
    expect((await post(path, more)).status).toBe(answer);
  });

  it('with a body over the limit, however it is sent, or nested without end, is refused and keeps nothing', async () => {
    const long = JSON.stringify({ ...body, more: 'A'.repeat(LIMIT) });
    expectError(await post(path, long), 413, /at most 49152 bytes/);
    const head = `POST ${path}?${VERSION} HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    expect(await setting.raw(head, `${long.length.toString(16)}\r\n${long}\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
    const deep = `${'{"a":'.repeat(7_000)}1${'}'.repeat(7_000)}`;
    expect([answer, 422]).toContain((await post(path, deep)).status);
    expect((await post(path, body)).status).toBe(answer);
  });

  it('as another module, another generation, or one that is written oddly, is refused', async () => {
    const others = ['modB', 'MODA', 'modA%00', '%20modA', 'mod%2541', '..', 'constructor', 'a'.repeat(2_000)];
    for (const other of others) expectError(await post(path.replace('modA', other), body), 403, /^ModuleMismatch: /);
    if (!path.includes('genid')) return;
    for (const other of ['gen-2', 'GEN-1', 'gen-1%00', 'gen-1%20']) {
      expectError(await post(path.replace('gen-1', other), body), 403, /^GenerationMismatch: /);
    }
    expect((await post(path.replace('modA', '%6d%6f%64A').replace('gen-1', 'gen%2D1'), body)).status).toBe(answer);
  });
});

describe.each(ROUTES)('%s', (_, { path }) => {
  const isPost = path.includes('sign') || path.includes('crypt') || path.includes('certificate');
  const method = isPost ? 'POST' : 'GET';
  const call = (target: string): Promise<Reply> =>
    setting.call(method, target, isPost ? {} : undefined, isPost ? JSON_TYPE : {});

  it('asks for its version, and for one that there is', async () => {
    for (const query of ['', '?', '?api-version', '?api_version=2018-06-28', '?API-VERSION=2018-06-28', '?%00=1']) {
      expectError(
        await call(`${path}${query}`),
        400,
        query === '?api-version' ? /^invalid api-version ""/ : /^api-version not specified/,
      );
    }
    const wrong = ['', '2018-06-28x', '2018-6-28', '2099-01-01', 'latest', '2018-06-28%00', '2018-06-28,2019-01-30'];
    for (const version of wrong)
      expectError(await call(`${path}?api-version=${version}`), 400, /^invalid api-version "/);
    expectError(
      await call(`${path}?api-version=2018-06-28&api-version=nonsense`),
      400,
      /^invalid api-version "nonsense"/,
    );
    expectError(await call(`${path}?api-version=${'9'.repeat(8_000)}`), 400, /^invalid api-version "9{64}"/);
  });

  it('has one method, and one way to be written', async () => {
    for (const other of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      if (other !== method) expectError(await setting.call(other, `${path}?${VERSION}`), 400, /^method not allowed/);
    }
    const paths = [
      `/${path}`,
      `/.${path}`,
      `/x/..${path}`,
      `${path};a=b`,
      `${path}%2f`,
      `${path}%00`,
      path.replace('/', '/%2e/'),
      path.toUpperCase(),
    ];
    for (const other of paths) {
      const reply = await call(`${other}?${VERSION}`);
      expect([403, 404]).toContain(reply.status);
    }
    expectError(await call(`${path}//?${VERSION}`), 404, /^not found/);
  });
});
