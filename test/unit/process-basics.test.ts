// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { durationMs, durationSeconds } from '../../src/api/duration.ts';
import { asKeysteadError, ERROR_CODES, KeysteadError } from '../../src/errors.ts';
import { readiness, startHealthServer } from '../../src/health.ts';
import { createLogger } from '../../src/log.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';

describe('a Go duration', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
  ])('%s is %d ms', (text, expected) => expect(durationMs(text)).toBe(expected));

  it.each(['', '5', '-1s', '1d', '1h ', 'h', `${'9'.repeat(400)}s`])('"%s" is refused with what to write', (text) => {
    expect(() => durationMs(text)).toThrow('write for example 1h30m');
  });

  it('is rounded down to seconds', () => expect(durationSeconds('1500ms')).toBe(1));
});

describe('the logger', () => {
  it.each([
    ['a PIN', { pin: '1234' }],
    ['a private key', { credentials: { privateKey: '1234' } }],
    ['a Secret', { content: { data: { 'tls.key': '1234' } } }],
    ['a header', { headers: { authorization: '1234' } }],
  ])('never writes %s', (_what, fields) => {
    const lines: string[] = [];
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        lines.push(chunk.toString());
        done();
      },
    });
    createLogger('test', 'info', sink).info({ ...fields, kept: 'visible' }, 'said');
    expect(lines.join('')).not.toContain('1234');
    expect(lines.join('')).toContain('visible');
  });
});

describe('an error', () => {
  it('keeps its code, and a foreign one becomes Internal with its cause', () => {
    const own = new KeysteadError('TokenAbsent', 'insert it');
    expect(asKeysteadError(own)).toBe(own);
    expect(own.retryable).toBe(true);
    const foreign = new Error('odd');
    expect(asKeysteadError(foreign)).toMatchObject({ code: 'Internal', cause: foreign });
  });

  it.each(Object.keys(ERROR_CODES))('%s stands in the README with cause and remedy', (code) => {
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
    expect(readme).toMatch(new RegExp(`^\\| \`${code}\` \\|.+\\|.+\\|$`, 'm'));
  });
});

describe('the health server', () => {
  it('tells what is not ready, with reason and message', () => {
    const page = readiness([
      { name: 'a', ok: true },
      { name: 'b', ok: false, reason: 'Away', message: 'start it' },
    ]);
    expect(page).toMatchObject({ status: 503, body: 'ok a\nfailed b: Away: start it\n' });
    expect(readiness([{ name: 'a', ok: true }]).status).toBe(200);
  });

  it('serves its pages, and says what there is for another path', async () => {
    const server = await startHealthServer({
      listen: { port: 0, host: '127.0.0.1' },
      checks: () => [],
      metrics: () => Promise.resolve('x 1\n'),
      pages: { '/more': () => Promise.resolve({ status: 200, type: 'text/plain', body: 'more' }) },
    });
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
      return [answer.status, await answer.text()];
    };
    expect(await get('/livez')).toEqual([200, 'ok\n']);
    expect(await get('/metrics')).toEqual([200, 'x 1\n']);
    expect(await get('/more')).toEqual([200, 'more']);
    expect(await get('/other')).toEqual([404, expect.stringContaining('/readyz')]);
    server.close();
  });
});
