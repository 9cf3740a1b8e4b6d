// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Setting, VERSION, type Reply } from './setting.ts';

const SIGN_PATH = `/modules/modA/genid/gen-1/sign?${VERSION}`;
const SIGN = '{"keyId":"primary","algo":"HMACSHA256","data":"AAAA"}';
const JSON_TYPE = { 'content-type': 'application/json' };
let setting: Setting;

beforeEach(async () => void (setting = await Setting.open()));
afterEach(() => setting.close());

/** Whatever was done before, the next module is served. */
async function stillServes(): Promise<void> {
  expect(await setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE)).toMatchObject({ status: 200 });
}

const head = (...lines: string[]): string => [`POST ${SIGN_PATH} HTTP/1.1`, ...lines, '', ''].join('\r\n');

describe('too much', () => {
  it('a body over the limit, announced or not', async () => {
    const long = JSON.stringify({ data: 'A'.repeat(64 * 1024) });
    const message = 'request body: expected at most 49152 bytes';
    expect(await setting.call('POST', SIGN_PATH, long, JSON_TYPE)).toMatchObject({ status: 413, body: { message } });
    const size = long.length.toString(16);
    const reply = await setting.raw(head('Transfer-Encoding: chunked'), `${size}\r\n${long}\r\n`);
    expect(reply).toMatch(/^HTTP\/1\.1 413 /);
    expect(reply).toContain(`{"message":"${message}"}`);
    await stillServes();
  });

  it('headers over the limit', async () => {
    const reply = await setting.raw(head(`X: ${'a'.repeat(20_000)}`));
    expect(reply).toMatch(
      /^HTTP\/1\.1 431 [^]*content-type: application\/json[^]*"message":"request headers: expected/,
    );
    await stillServes();
  });

  it('more calls at once than one pod may have', async () => {
    let open = (): void => undefined;
    setting.gate = new Promise((resolve) => (open = resolve));
    const calls = Array.from({ length: 140 }, () => setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE));
    const refusals = await new Promise<Reply[]>((resolve) => {
      const found: Reply[] = [];
      for (const call of calls) void call.then((reply) => found.push(reply) === 12 && resolve(found));
    });
    const [refused] = refusals;
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(refused?.body['message']).toMatch(/^Overloaded: this pod has 128 calls open/);
    open();
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(128);
    expect(statuses.filter((status) => status === 429)).toHaveLength(12);
    await stillServes();
  }, 20_000);

  it('calls that were given up in line take nobody else his turn', async () => {
    let open = (): void => undefined;
    setting.gate = new Promise((resolve) => (open = resolve));
    const working = Array.from({ length: 8 }, () => setting.call('POST', SIGN_PATH, SIGN, JSON_TYPE));
    await setting.untilAsked(8);
    const given = Array.from({ length: 8 }, () => connect(setting.path));
    for (const socket of given) socket.write(head('Content-Type: application/json', 'Content-Length: 50'));
    await setting.untilConnected(16);
    for (const socket of given) socket.destroy();
    await setting.untilConnected(8);
    const startedAt = performance.now();
    open();
    await Promise.all(working);
    await stillServes();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('a connection too many is told so before it has said a word', async () => {
    const accepted = new Promise<string>((resolve) => {
      const socket = connect(setting.path);
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    });
    setting.http.serve = (socket) => setting.http.turnAway(socket, 'at most 1 connection');
    const reply = await accepted;
    expect(reply).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\nretry-after: 1\r\n/);
    expect(reply).toContain('"message":"Overloaded: expected at most 1 connection; close some, or try again"');
  });
});

describe('too slow', () => {
  it('a body that does not come', async () => {
    const reply = await setting.raw(head('Content-Length: 100'), '{');
    expect(reply).toMatch(/^HTTP\/1\.1 408 Request Timeout[^]*\{"message":"deadline has elapsed"\}$/);
    await stillServes();
  }, 15_000);

  it('headers that do not come, and no request at all', async () => {
    const [half, none] = await Promise.all([setting.raw(`POST ${SIGN_PATH} HTTP/1.1\r\nX: `), setting.raw()]);
    expect(half).toMatch(/^HTTP\/1\.1 408 [^]*deadline has elapsed/);
    expect(none).toMatch(/^HTTP\/1\.1 408 [^]*deadline has elapsed/);
    await stillServes();
  }, 15_000);
});

describe('games with headers', () => {
  it.each([
    ['two lengths', ['Content-Length: 5', 'Content-Length: 6']],
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['a length that is none', ['Content-Length: -1']],
    ['a NUL', ['X: a\0b']],
    ['a bare line feed', ['X: a\n Y: b']],
    ['a blank before the colon', ['Content-Length : 5']],
  ])('%s', async (_what, lines) => {
    const reply = await setting.raw(head(...lines), 'hello');
    expect(reply).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*\{"message":"invalid HTTP request"\}$/);
    expect(setting.signed).toBe(0);
    await stillServes();
  });

  it('bytes that are no HTTP at all, and HTTP/2', async () => {
    expect(await setting.raw('\x16\x03\x01\x02\x00\x01\x00')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await setting.raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    await stillServes();
  });

  it('needs no Host, since a unix socket has none', async () => {
    const reply = await setting.raw(head(`Content-Length: ${SIGN.length}`, 'Connection: close'), SIGN);
    expect(reply).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it('answers requests sent in one go in their order', async () => {
    const one = `GET /trust-bundle?${VERSION} HTTP/1.1\r\n\r\n`;
    const two = `GET /nothing?${VERSION} HTTP/1.1\r\nConnection: close\r\n\r\n`;
    const reply = await setting.raw(one + two);
    expect([...reply.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '404']);
  });
});

describe('a client that hangs up', () => {
  it('does not keep its turn', async () => {
    setting.gate = new Promise(() => undefined);
    const clients = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const socket = connect(setting.path);
        await once(socket, 'connect');
        socket.write(head(`Content-Length: 100`));
        return socket;
      }),
    );
    for (const socket of clients) socket.destroy();
    setting.gate = Promise.resolve();
    await stillServes();
  });
});
