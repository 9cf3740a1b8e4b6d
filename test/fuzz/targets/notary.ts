// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { decodeRecord, encodeRecord } from '../../../src/notary/authority-record.ts';
import { decodeConfiguration } from '../../../src/notary/configuration.ts';
import { Connection } from '../../../src/notary/connection.ts';
import { encodeFrame, FrameReader } from '../../../src/notary/frames.ts';
import {
  decodeAnswer,
  encodeAnswer,
  MalformedRequest,
  openEnvelope,
  readEnvelope,
} from '../../../src/notary/messages.ts';
import { issue } from '../../../src/notary/operations/issue.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { CERTIFICATES, PUBLIC_KEYS } from '../corpus/der.ts';
import type { Dice } from '../dice.ts';
import { mutateJson } from '../mutations/json.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { must, target, type Target } from '../target.ts';

const [ca = Buffer.alloc(0), leaf = ca] = CERTIFICATES;
const [publicKey = Buffer.alloc(0)] = PUBLIC_KEYS;

const CONFIGURATION = {
  trustDomain: 'edge.example',
  node: 'node-1',
  rootOfTrust: { pkcs11: { library: '/lib/token.so', tokenLabel: 'edge', pinFile: '/etc/pin' } },
  issuer: { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
};
const CERTIFICATE_REQUEST = {
  spiffeId: 'spiffe://edge.example/ns/factory/module/press',
  publicKey: publicKey.toString('base64'),
  dnsNames: ['press.factory.svc'],
  lifetimeSeconds: 600,
  requester: {
    module: 'factory/press',
    identity: 'factory/press',
    pod: 'factory/press-0',
    podUid: '7f1f9d5e',
    container: 'containerd://abc',
    pid: 4711,
    imageDigest: 'sha256:00',
  },
};
const REQUESTS: readonly unknown[] = [
  { v: 1, id: 1, op: 'status', body: {} },
  { v: 1, id: 2, op: 'metrics', body: {} },
  { v: 1, id: 3, op: 'configure', body: CONFIGURATION },
  { v: 1, id: 4, op: 'issue', body: CERTIFICATE_REQUEST },
];
const ANSWERS: readonly unknown[] = [
  { v: 1, id: 1, result: { ready: true } },
  { v: 1, id: 0, error: { code: 'Overloaded', message: 'later' } },
];
const ISSUED = { chain: [leaf.toString('base64')], serial: 'ab'.repeat(16), notBefore: 1e12, notAfter: 1e12 + 6e5 };
const RECORD = encodeRecord({
  token: '1',
  current: { generation: 2, der: ca, certificate: undefined as never },
  longestLeafSeconds: 3600,
  former: [{ generation: 1, der: ca, certificate: undefined as never, keepUntil: 1e12 }],
});

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const mutateMessage = (sample: unknown, dice: Dice): unknown => mutateJson(sample, dice);

/** MalformedRequest is how a request is refused that carries an id to answer to. */
function decoded(contents: Buffer): unknown {
  try {
    return openEnvelope(readEnvelope(contents.toString('utf8')));
  } catch (thrown) {
    throw thrown instanceof MalformedRequest ? thrown.cause : thrown;
  }
}

/** Frames cut out of a stream at once, and piece by piece, are the same. */
function cutTwice(octets: Buffer, dice: Dice): unknown {
  const whole = cut([octets]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length;) {
    const length = 1 + dice.below(dice.oneIn(2) ? 3 : 200);
    pieces.push(octets.subarray(at, at + length));
    at += length;
  }
  const again = cut(pieces);
  must(whole.refused === again.refused, 'pieces are refused like the whole');
  if (!whole.refused) must(Buffer.concat(whole.frames).equals(Buffer.concat(again.frames)), 'the same frames');
  return !whole.refused;
}

function cut(chunks: readonly Buffer[]): { frames: Buffer[]; refused: boolean } {
  const reader = new FrameReader(64 * 1024);
  const frames: Buffer[] = [];
  try {
    for (const chunk of chunks) frames.push(...reader.push(chunk));
    return { frames, refused: false };
  } catch (thrown) {
    if (thrown instanceof KeysteadError && thrown.code === 'InvalidRequest') return { frames, refused: true };
    throw thrown;
  }
}

/** One end of a connection without a kernel; what is written to it is dropped. */
function deafSocket(): Duplex {
  return new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
}

/** The server's side of a connection takes any stream: each request is answered, or the connection ended. */
async function converse(stream: Buffer): Promise<boolean> {
  const socket = deafSocket();
  const waiting = new Set<Connection>();
  const flush = (): void => {
    for (const connection of waiting) connection.flush();
    waiting.clear();
  };
  let handled = 0;
  const connection = new Connection({
    socket: socket as unknown as Socket,
    handle: ({ id }, asker) =>
      setImmediate(() => asker.answer(JSON.stringify(encodeAnswer({ id, result: handled++ })))),
    answered: (answering) => void waiting.add(answering),
  });
  socket.emit('data', stream);
  for (let turn = 0; turn === 0 || (connection.inFlight > 0 && turn < 1_000); turn++) await new Promise(setImmediate);
  flush();
  must(connection.inFlight === 0, 'nothing is left in flight');
  const refused = socket.writableEnded;
  socket.destroy();
  return !refused && handled > 0;
}

const streams: readonly Buffer[] = REQUESTS.map((request) =>
  Buffer.concat([encodeFrame(request), encodeFrame(REQUESTS[0])]),
);
const mutateStream = (stream: Buffer, dice: Dice): Buffer => {
  if (dice.oneIn(3)) return mutateOctets(stream, dice, streams);
  return Buffer.concat([encodeFrame(mutateJson(dice.pick(REQUESTS), dice)), dice.pick(streams)]);
};

export const NOTARY_TARGETS: readonly Target[] = [
  target({
    name: 'notary-frames',
    weight: 2,
    corpus: streams,
    mutate: (stream, dice) => mutateOctets(stream, dice, streams),
    read: cutTwice,
  }),
  target({
    name: 'notary-request',
    weight: 4,
    corpus: REQUESTS,
    mutate: mutateMessage,
    read: (request) => decoded(json(request)),
  }),
  target({ name: 'notary-request-octets', weight: 2, corpus: REQUESTS.map(json), mutate: mutateOctets, read: decoded }),
  target({
    name: 'notary-answer',
    weight: 2,
    corpus: ANSWERS,
    mutate: mutateMessage,
    read: (answer) => decodeAnswer(json(answer)),
  }),
  target({
    name: 'notary-issued',
    corpus: [ISSUED as unknown],
    mutate: mutateMessage,
    read: (result) => issue.decodeResult(result),
  }),
  target({
    name: 'notary-configuration',
    weight: 2,
    corpus: [CONFIGURATION as unknown],
    mutate: mutateMessage,
    read: decodeConfiguration,
  }),
  target({ name: 'notary-authority', corpus: [RECORD], mutate: mutateMessage, read: decodeRecord }),
  target({ name: 'notary-connection', weight: 2, corpus: streams, mutate: mutateStream, read: converse }),
];
