// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { correctAuthority } from '../../../src/grpc/authority.ts';
import { ClientFrames, forbidsPushTwice } from '../../../src/grpc/client-frames.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HEADERS = 1;
const SETTINGS = 4;

function frame(type: number, payload: Buffer, flags = 0): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  return Buffer.concat([header, payload]);
}

const settings = (values: Record<number, number>): Buffer =>
  frame(
    SETTINGS,
    Buffer.concat(
      Object.entries(values).map(([id, value]) => {
        const setting = Buffer.alloc(6);
        setting.writeUInt16BE(Number(id), 0);
        setting.writeUInt32BE(value, 2);
        return setting;
      }),
    ),
  );

const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
/** As gRPC for Java sends it: a literal with the name of the static table's first entry, to be indexed. */
const authority = (value: string, kind = 0x40): Buffer => Buffer.concat([Buffer.of(kind | 1), text(value)]);
const PATH = Buffer.concat([Buffer.of(0x44), text('/SpiffeWorkloadAPI/FetchX509SVID')]);
const named = (name: string, value: string): Buffer => Buffer.concat([Buffer.of(0x00), text(name), text(value)]);
/** `:method: POST` and `:scheme: http` of the static table, and a change of the dynamic table's size. */
const INDEXED = Buffer.of(0x3f, 0xe1, 0x1f, 0x83, 0x86);

const corrected = (...fields: Buffer[]): string => {
  const block = Buffer.concat(fields);
  correctAuthority(block);
  return block.toString('latin1');
};
const plain = (...fields: Buffer[]): string => Buffer.concat(fields).toString('latin1');

describe('correctAuthority', () => {
  it.each([
    ['to be indexed', 0x40],
    ['not to be indexed', 0x00],
    ['never to be indexed', 0x10],
  ])('writes dots for the slashes of an authority that is %s, and touches nothing else', (_, kind) => {
    const before = [INDEXED, PATH, authority('/var/run/keystead/spiffe.sock', kind), named('te', '/a/')];
    const after = [INDEXED, PATH, authority('.var.run.keystead.spiffe.sock', kind), named('te', '/a/')];
    expect(corrected(...before)).toBe(plain(...after));
  });

  it('leaves an authority in Huffman’s code as it is', () => {
    const huffman = Buffer.concat([Buffer.of(0x41, 0x83), Buffer.from('//f')]);
    expect(corrected(huffman)).toBe(plain(huffman));
  });

  it('leaves what is cut off as it is, wherever that is', () => {
    const block = Buffer.concat([INDEXED, PATH, authority('no-slash')]);
    for (let length = 0; length <= block.length; length++) {
      expect(corrected(block.subarray(0, length))).toBe(plain(block.subarray(0, length)));
    }
    expect(corrected(Buffer.alloc(64, 0xff))).toBe(plain(Buffer.alloc(64, 0xff)));
  });
});

describe('forbidsPushTwice', () => {
  const java = Buffer.concat([PREFACE, settings({ 2: 0, 3: 0, 4: 1_048_576 })]);

  it('tells gRPC for Java by its settings, once they are there', () => {
    for (let length = 0; length < java.length; length++)
      expect(forbidsPushTwice(java.subarray(0, length))).toBe(undefined);
    expect(forbidsPushTwice(java)).toBe(true);
  });

  it.each([
    ['another client', Buffer.concat([PREFACE, settings({ 2: 0 })])],
    ['one without settings', Buffer.concat([PREFACE, settings({})])],
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['one that does not begin with settings', Buffer.concat([PREFACE, frame(HEADERS, PATH)])],
    ['settings longer than any frame', Buffer.concat([PREFACE, Buffer.of(1, 0, 0, SETTINGS, 0, 0, 0, 0, 0)])],
  ])('%s is told apart', (_, octets) => expect(forbidsPushTwice(octets)).toBe(false));
});

async function through(octets: Buffer, size: number): Promise<Buffer> {
  const frames = new ClientFrames();
  const chunks: Buffer[] = [];
  frames.on('data', (chunk: Buffer) => chunks.push(chunk));
  for (let at = 0; at < octets.length; at += size) frames.write(Buffer.from(octets.subarray(at, at + size)));
  frames.end();
  await once(frames, 'end');
  return Buffer.concat(chunks);
}

describe('ClientFrames', () => {
  const head = [PREFACE, settings({ 2: 0, 3: 0 })];
  const data = frame(0, authority('/not/a/header'));
  const block = (value: string): Buffer => Buffer.concat([INDEXED, PATH, authority(value)]);
  const padded = (value: string): Buffer =>
    frame(HEADERS, Buffer.concat([Buffer.of(3), Buffer.alloc(5), block(value), Buffer.alloc(3)]), 0x08 | 0x20);
  const whole = (value: string): Buffer =>
    Buffer.concat([
      ...head,
      frame(HEADERS, block(value), 4),
      data,
      padded(value),
      data,
      frame(HEADERS, block(value), 4),
    ]);

  it.each([1, 7, 64, 100_000])('corrects the authority of every call, read in pieces of %d', async (size) => {
    expect(await through(whole('/run/a.sock'), size)).toEqual(whole('.run.a.sock'));
  });

  it('passes on what is cut off, and what is no HTTP/2', async () => {
    const cut = whole('/run/a.sock').subarray(0, PREFACE.length + 40);
    expect(await through(cut, 9)).toEqual(cut);
    const nonsense = Buffer.alloc(50_000, 0x2f);
    expect(await through(nonsense, 1_000)).toEqual(nonsense);
  });
});
