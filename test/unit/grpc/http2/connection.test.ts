// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { encodeHeaders } from '../../../../src/grpc/http2/header-encoder.ts';
import type { Http2Stream } from '../../../../src/grpc/http2/stream.ts';
import { END_STREAM, FRAME, frame, PREFACE, settings } from '../../../integration/workload/http2-frames.ts';
import { Http2Stand, number, request } from './stand.ts';

let stand: Http2Stand;
beforeEach(async () => {
  stand = new Http2Stand();
  await stand.open();
});
afterEach(() => stand.close());

const session = (): ClientHttp2Session => {
  const opened = connectHttp2('http://localhost', { createConnection: () => stand.connect() });
  opened.on('error', () => undefined);
  return opened;
};

interface Echoed {
  readonly body: Buffer;
  readonly path: unknown;
  readonly end: unknown;
}

async function echoed(client: ClientHttp2Session, path: string, body: Buffer, more = {}): Promise<Echoed> {
  const request = client.request({ ':method': 'POST', ':path': path, ...more });
  const head = once(request, 'response') as Promise<[Record<string, unknown>]>;
  const tail = once(request, 'trailers') as Promise<[Record<string, unknown>]>;
  request.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return { body: Buffer.concat(chunks), path: (await head)[0]['x-path'], end: (await tail)[0]['x-end'] };
}

/** nghttp2, in Node, is the client. */
describe('a connection with another implementation', () => {
  it.each([0, 1, 16_384, 65_535, 65_536, 3_000_000])('carries %d octets both ways', async (length) => {
    const client = session();
    const body = Buffer.alloc(length, 'abcdefg');
    for (const path of ['/first', `/${'long'.repeat(1_000)}`, '/first']) {
      const found = await echoed(client, path, body, { 'x-odd': 'ÄÖÜ'.repeat(40) });
      expect(found).toMatchObject({ path, end: 'yes' });
      expect(found.body.equals(body)).toBe(true);
    }
    client.destroy();
  });

  it('carries many calls at the same time, none of which holds up another', async () => {
    const client = session();
    await once(client, 'remoteSettings');
    const bodies = Array.from({ length: 100 }, (_, index) => Buffer.alloc(index * 1_000, String(index)));
    const found = await Promise.all(bodies.map((body, index) => echoed(client, `/${index}`, body)));
    found.forEach(({ body, path }, index) => {
      expect(path).toBe(`/${index}`);
      expect(body.equals(bodies[index]!)).toBe(true);
    });
    client.destroy();
  });

  it('lets the calls that are open end when it is drained, takes those that are under way, and no more', async () => {
    const streams: Http2Stream[] = [];
    stand.serve = (stream) => void streams.push(stream);
    const client = session();
    const open = client.request({ ':method': 'POST', ':path': '/' });
    while (streams.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const goneAway = once(client, 'goaway');
    stand.connections[0]!.drain();
    await goneAway;
    streams[0]!.respond(encodeHeaders(200, {}));
    streams[0]!.end(encodeHeaders(undefined, { 'x-end': 'yes' }));
    open.end();
    const [trailers] = (await once(open.resume(), 'trailers')) as [Record<string, unknown>];
    expect(trailers['x-end']).toBe('yes');
    await once(client, 'close');
    expect(stand.closed).toBe(1);
  });

  it.each([1_000, 40_000, 70_000])(
    'goes on after each pause, with messages of %d octets on several streams',
    async (size) => {
      const message = Buffer.alloc(size, 'abc');
      stand.serve = (stream) => {
        let left = 100;
        const send = (): void => {
          while (left > 0) {
            left--;
            if (!stream.write(message)) return;
          }
          stream.end(encodeHeaders(undefined, {}));
        };
        stream.reader = { ...stream.reader, drain: send };
        stream.respond(encodeHeaders(200, {}));
        send();
      };
      const client = session();
      await once(client, 'remoteSettings');
      const lengths = await Promise.all(
        Array.from({ length: 4 }, async () => {
          let length = 0;
          for await (const chunk of client.request({ ':path': '/' })) length += (chunk as Buffer).length;
          return length;
        }),
      );
      expect(lengths).toEqual(Array(4).fill(100 * size));
      client.destroy();
    },
  );

  it('refuses streams for which there is no room, whichever connection took it, and has it back from those that end', async () => {
    let left = 3;
    const giveBack = (): void => {
      left++;
    };
    stand.room = { take: () => left > 0 && left-- > 0, giveBack };
    const [first, second] = [session(), session()];
    const begun = [first, first, second].map((client) => client.request({ ':method': 'POST', ':path': '/' }));
    while (left > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const refused = second.request({ ':method': 'POST', ':path': '/' });
    await expect(once(refused, 'close')).rejects.toThrow('NGHTTP2_REFUSED_STREAM');
    begun[0]!.close();
    while (left === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await echoed(second, '/again', Buffer.alloc(1))).toMatchObject({ path: '/again', end: 'yes' });
    for (const client of [first, second]) client.destroy();
    while (left < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(left).toBe(3);
  });

  it('tells who serves a call that the client has given it up, or has gone', async () => {
    let ended = 0;
    stand.serve = (stream) => {
      stream.reader = { ...stream.reader, close: () => ended++ };
      stream.respond(encodeHeaders(200, {}));
    };
    const client = session();
    const first = client.request({ ':method': 'POST', ':path': '/' });
    await once(first, 'response');
    first.close();
    const second = client.request({ ':method': 'POST', ':path': '/' });
    await once(second, 'response');
    expect(ended).toBe(1);
    client.destroy();
    while (stand.closed === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(ended).toBe(2);
  });
});

describe('what a client does not take', () => {
  it('is kept until it does: nothing is sent beyond its window', async () => {
    const socket = stand.connect();
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    const body = frame(FRAME.data, END_STREAM, 1, Buffer.alloc(100, 'z'));
    socket.write(Buffer.concat([PREFACE, settings({ 4: 10 }), request(1), body]));
    const count = (): number => Buffer.concat(received).filter((octet) => octet === 'z'.charCodeAt(0)).length;
    while (count() < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.write(Buffer.concat([frame(FRAME.ping, 0, 0, Buffer.from('pingping'))]));
    while (!Buffer.concat(received).includes('pingping')) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(count()).toBe(10);
    socket.write(frame(FRAME.windowUpdate, 0, 1, number(1)));
    while (count() < 11) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.write(settings({ 4: 1_000 }));
    while (count() < 100) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(Buffer.concat(received).includes('x-end')).toBe(true);
    socket.destroy();
  });
});
