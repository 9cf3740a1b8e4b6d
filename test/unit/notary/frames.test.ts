// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encodeFrame, FrameReader } from '../../../src/notary/frames.ts';
import {
  decodeAnswer,
  encodeRequest,
  MalformedRequest,
  openEnvelope,
  readEnvelope,
} from '../../../src/notary/messages.ts';
import type { Request } from '../../../src/notary/protocol.ts';
import { REQUEST } from './fixtures.ts';

const decodeRequest = (contents: Buffer): Request => openEnvelope(readEnvelope(contents.toString('utf8')));

const values = [{ a: 1 }, { text: 'ü€😀' }, {}, { long: 'x'.repeat(5000) }];
const stream = Buffer.concat(values.map(encodeFrame));

describe('a stream of frames', () => {
  it.each([1, 2, 3, 4, 5, 7, 100, 5011, 100_000])('cut into chunks of %d bytes gives the same frames', (size) => {
    const reader = new FrameReader(10_000);
    const found: unknown[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const contents of reader.push(stream.subarray(at, at + size))) found.push(JSON.parse(contents.toString()));
    }
    expect(found).toEqual(values);
  });

  it('takes a frame of the longest length and refuses one byte more, before it has come', () => {
    const [longest, longer] = [Buffer.alloc(4), Buffer.alloc(4)];
    longest.writeUInt32BE(100);
    longer.writeUInt32BE(101);
    expect(new FrameReader(100).push(longest)).toEqual([]);
    expect(() => new FrameReader(100).push(longer)).toThrow('at most 100 bytes, found a length of 101');
  });

  it('gives an empty frame as such', () => expect(new FrameReader(9).push(Buffer.alloc(4))).toEqual([Buffer.alloc(0)]));
});

const wire = { v: 1, id: 7, op: 'issue', body: { ...REQUEST, publicKey: REQUEST.publicKey.toString('base64') } };
const issueWith = (change: object): unknown => ({ ...wire, body: { ...wire.body, ...change } });
const contentsOf = (value: unknown): Buffer => Buffer.from((JSON.stringify(value) as string | undefined) ?? '');

describe('a request', () => {
  it('comes out as it went in', () => {
    const request = { id: 7, operation: 'issue' as const, body: REQUEST };
    expect(decodeRequest(contentsOf(encodeRequest(request)))).toEqual(request);
    expect(decodeRequest(contentsOf({ v: 1, id: 1, op: 'status' }))).toEqual({ id: 1, operation: 'status', body: {} });
  });

  it.each([
    ['no JSON', Buffer.from('{"v":1'), undefined, 'expected JSON'],
    ['nothing', Buffer.alloc(0), undefined, 'expected JSON'],
    ['broken UTF-8', Buffer.from([0x22, 0xff, 0xfe]), undefined, 'expected JSON'],
    ['null', contentsOf(null), undefined, 'an object'],
    ['a list', contentsOf([wire]), undefined, 'an object'],
    ['a number', contentsOf(5), undefined, 'an object'],
    ['no id', contentsOf({ v: 1, op: 'status' }), undefined, 'id: expected an integer'],
    ['id 0', contentsOf({ ...wire, id: 0 }), undefined, 'id: expected an integer'],
    ['a negative id', contentsOf({ ...wire, id: -1 }), undefined, 'id: expected an integer'],
    ['a broken id', contentsOf({ ...wire, id: 1.5 }), undefined, 'id: expected an integer'],
    ['a text id', contentsOf({ ...wire, id: '7' }), undefined, 'id: expected an integer'],
    ['no version', contentsOf({ ...wire, v: undefined }), 7, 'v: expected'],
    ['the next version', contentsOf({ ...wire, v: 2 }), 7, 'v: expected an integer from 1 to 1, found 2'],
    ['no operation', contentsOf({ ...wire, op: undefined }), 7, 'op: expected configure or status'],
    ['an unknown operation', contentsOf({ ...wire, op: 'sign' }), 7, 'found "sign"'],
    ['an operation from the prototype', contentsOf({ ...wire, op: 'constructor' }), 7, 'op: expected'],
    ['no body', contentsOf({ ...wire, body: undefined }), 7, 'body: expected an object'],
    ['a body that is a text', contentsOf({ ...wire, body: 'x' }), 7, 'body: expected an object'],
    ['no SPIFFE ID', contentsOf(issueWith({ spiffeId: undefined })), 7, 'body.spiffeId'],
    ['a SPIFFE ID too long', contentsOf(issueWith({ spiffeId: 'x'.repeat(2049) })), 7, 'body.spiffeId'],
    ['a key that is not base64', contentsOf(issueWith({ publicKey: '***' })), 7, 'body.publicKey: expected base64'],
    ['a key with spaces', contentsOf(issueWith({ publicKey: 'AA AA' })), 7, 'body.publicKey: expected base64'],
    ['a key in base64url', contentsOf(issueWith({ publicKey: '-_-_' })), 7, 'body.publicKey: expected base64'],
    ['a key too long', contentsOf(issueWith({ publicKey: 'A'.repeat(4000) })), 7, 'body.publicKey'],
    ['names that are no list', contentsOf(issueWith({ dnsNames: 'a' })), 7, 'body.dnsNames'],
    ['names that are no texts', contentsOf(issueWith({ dnsNames: [1] })), 7, 'body.dnsNames'],
    ['too many names', contentsOf(issueWith({ dnsNames: Array(65).fill('a') })), 7, 'body.dnsNames'],
    ['a lifetime as text', contentsOf(issueWith({ lifetimeSeconds: '60' })), 7, 'body.lifetimeSeconds'],
    ['a lifetime beyond reason', contentsOf(issueWith({ lifetimeSeconds: 1e300 })), 7, 'body.lifetimeSeconds'],
    ['no requester', contentsOf(issueWith({ requester: undefined })), 7, 'body.requester'],
    ['a requester without a pod', contentsOf(issueWith({ requester: { module: 'm' } })), 7, 'body.requester.'],
    ['a negative pid', contentsOf(issueWith({ requester: { ...REQUEST.requester, pid: -1 } })), 7, 'requester.pid'],
  ])('%s is refused, naming the field and the request where it can', (_, contents, id, expected) => {
    let thrown: unknown;
    try {
      decodeRequest(contents);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MalformedRequest);
    expect((thrown as MalformedRequest).id).toBe(id);
    expect((thrown as MalformedRequest).message).toContain(expected);
  });

  it('answers every change of its bytes with a request or MalformedRequest', () => {
    const valid = contentsOf(wire);
    for (let round = 0; round < 20_000; round++) {
      const changed = Buffer.from(valid);
      for (let changes = randomInt(1, 5); changes > 0; changes--) changed[randomInt(changed.length)] = randomInt(256);
      expectMalformedOrNone(changed);
    }
    for (let round = 0; round < 2_000; round++) expectMalformedOrNone(randomBytes(randomInt(100)));
  });
});

function expectMalformedOrNone(contents: Buffer): void {
  try {
    decodeRequest(contents);
  } catch (thrown) {
    const known = thrown instanceof MalformedRequest;
    if (!known) throw new Error(`${String(thrown)} for ${contents.toString('hex')}`);
  }
}

describe('an answer', () => {
  it('carries a result or an error', () => {
    expect(decodeAnswer(contentsOf({ v: 1, id: 3, result: { a: 1 } }))).toEqual({ id: 3, result: { a: 1 } });
    const error = { code: 'TokenAbsent', message: 'gone' };
    expect(decodeAnswer(contentsOf({ v: 1, id: 3, error }))).toEqual({ id: 3, error });
  });

  it('with an unknown code is an Internal error', () => {
    const error = { code: 'toString', message: 'm' };
    expect(decodeAnswer(contentsOf({ v: 1, id: 3, error }))).toEqual({
      id: 3,
      error: { code: 'Internal', message: 'm' },
    });
  });
});
