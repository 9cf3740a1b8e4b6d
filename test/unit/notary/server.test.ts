// SPDX-License-Identifier: Apache-2.0
import { connect, createServer, type Server, type Socket } from 'node:net';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { NotaryClient } from '../../../src/notary/client.ts';
import { encodeFrame, FrameReader } from '../../../src/notary/frames.ts';
import { NotaryServer } from '../../../src/notary/server.ts';
import { freshPublicKey, sampleChain } from '../issue/samples.ts';
import { CONFIGURATION, eventually, frontOver, REQUEST, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Running {
  readonly path: string;
  readonly token: MemoryToken;
  readonly server: NotaryServer;
  readonly lines: Record<string, unknown>[];
  readonly commits: () => number;
  readonly failCommit: (error: Error) => void;
}

async function runServer(
  options: { path?: string; callerUid?: number; folder?: string; isInSamePod?: () => boolean | undefined } = {},
): Promise<Running> {
  const token = new MemoryToken();
  const { front, configuration, trail, log, metrics, lines } = frontOver({
    token,
    ...(options.folder && { folder: options.folder }),
  });
  const path = options.path ?? join(temporaryFolder(), 'notary.sock');
  const callerUid = options.callerUid ?? process.getuid!();
  const isInSamePod = options.isInSamePod ?? (() => true);
  const rest = {
    handle: front.handle.bind(front),
    metrics,
    log,
    commit: (): void => trail.commit(),
  };
  const server = new NotaryServer({ path, mode: 0o600, callerUid, isInSamePod, ...rest });
  await server.listen();
  cleanups.push(async () => {
    await server.close();
    await configuration.close();
  });
  const failCommit = (error: Error): void => void (trail.commitFailure = error);
  return { path, token, server, lines, commits: () => trail.commits, failCommit };
}

function client(path: string, options: object = {}): NotaryClient {
  const made = new NotaryClient({ path, patienceMs: 300, ...options });
  cleanups.push(() => made.close());
  return made;
}

/** A connection that speaks in bytes; collects what the server says. */
async function rawConnection(
  path: string,
): Promise<{ socket: Socket; answers: Record<string, unknown>[]; ended: () => boolean }> {
  const socket = connect(path);
  const answers: Record<string, unknown>[] = [];
  const reader = new FrameReader(1e7);
  let ended = false;
  socket.on('data', (chunk: Buffer) => {
    for (const contents of reader.push(chunk)) answers.push(JSON.parse(contents.toString()) as Record<string, unknown>);
  });
  socket.on('close', () => (ended = true));
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, answers, ended: () => ended };
}

describe('the notary over its socket', () => {
  it('is configured, asked for its status, and issues', async () => {
    const { path, commits } = await runServer();
    const notary = client(path);
    expect((await notary.status()).ready).toBe(false);
    const status = await notary.configure(CONFIGURATION);
    expect(status).toMatchObject({ ready: true, protocol: 1, version: '1.2.3' });
    const before = commits();
    const issued = await notary.issue(REQUEST);
    expect(issued.chain[0]).toBeInstanceOf(Buffer);
    expect(commits()).toBeGreaterThan(before);
    expect(await notary.metrics()).toContain('keystead_notary_requests_total{operation="issue",result="Ok"} 1');
  });

  it('answers a hundred requests in flight, each its own', async () => {
    const notary = client((await runServer()).path);
    await notary.configure(CONFIGURATION);
    const keys = Array.from({ length: 100 }, () => freshPublicKey());
    const issued = await Promise.all(keys.map((publicKey) => notary.issue({ ...REQUEST, publicKey })));
    expect(new Set(issued.map(({ serial }) => serial)).size).toBe(100);
  });

  it("passes errors on with the notary's code and message", async () => {
    const { path, token } = await runServer();
    const notary = client(path);
    await notary.configure(CONFIGURATION);
    const refused = notary.issue({ ...REQUEST, lifetimeSeconds: 10_000 });
    await expect(refused).rejects.toMatchObject({ code: 'ProfileViolation', retryable: false });
    token.failure = new KeysteadError('TokenFailed', 'C_Sign returned CKR_DEVICE_ERROR');
    await expect(notary.issue(REQUEST)).rejects.toMatchObject({ code: 'TokenFailed', retryable: true });
  });

  it('has a socket for its owner alone', async () => {
    const { path } = await runServer();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('refuses a caller of another user, says so, and logs it', async () => {
    const { path, lines } = await runServer({ callerUid: process.getuid!() + 1 });
    await expect(client(path).status()).rejects.toMatchObject({ code: 'PermissionDenied' });
    expect(lines).toContainEqual(
      expect.objectContaining({ msg: 'caller refused', peer: expect.objectContaining({ pid: process.pid }) }),
    );
  });

  it.each([false, undefined])('refuses a caller of the same user in another pod (told: %s)', async (told) => {
    const { path } = await runServer({ isInSamePod: () => told });
    await expect(client(path).status()).rejects.toMatchObject({ code: 'PermissionDenied' });
  });

  it('refuses to run where another notary listens, and replaces a socket that nobody listens at', async () => {
    const { path, server } = await runServer();
    await expect(runServer({ path })).rejects.toMatchObject({ code: 'InvalidConfiguration' });
    await server.close();
    await expect(runServer({ path })).resolves.toBeDefined();
  });

  it('gives no answer to what could not be recorded', async () => {
    const { path, failCommit } = await runServer();
    const notary = client(path);
    await notary.configure(CONFIGURATION);
    failCommit(new Error('ENOSPC'));
    await expect(notary.issue(REQUEST)).rejects.toMatchObject({ code: 'Unavailable' });
  });

  it('answers what is in flight when it is told to stop', async () => {
    const { path, server } = await runServer();
    const notary = client(path);
    await notary.configure(CONFIGURATION);
    const { socket, answers } = await rawConnection(path);
    const body = { ...REQUEST, publicKey: REQUEST.publicKey.toString('base64') };
    for (let id = 1; id <= 20; id++) socket.write(encodeFrame({ v: 1, id, op: 'issue', body }));
    await eventually(() => answers.length > 0, 'the first answer');
    await server.close();
    await eventually(() => answers.length === 20, 'all answers');
  });
});

describe('a caller that misbehaves', () => {
  it.each([
    ['no JSON', encodeFrame({}).fill(0x78, 4), 'expected JSON'],
    ['a frame too long', Buffer.from([0x7f, 0xff, 0xff, 0xff]), 'at most 65536 bytes'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'at most 65536 bytes'],
    ['a request without id', encodeFrame({ v: 1, op: 'status' }), 'id: expected'],
    ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex'), 'at most 65536 bytes'],
  ])('sends %s: told so and hung up on, and others are served on', async (_, bytes, expected) => {
    const { path } = await runServer();
    const { socket, answers, ended } = await rawConnection(path);
    socket.write(bytes);
    await eventually(ended, 'hung up');
    expect(answers).toEqual([
      { v: 1, id: 0, error: { code: 'InvalidRequest', message: expect.stringContaining(expected) } },
    ]);
    await expect(client(path).status()).resolves.toMatchObject({ protocol: 1 });
  });

  it.each([
    ['an unknown operation', { v: 1, id: 9, op: 'sign' }],
    ['another version', { v: 2, id: 9, op: 'status' }],
    ['a body of the wrong form', { v: 1, id: 9, op: 'issue', body: { spiffeId: 5 } }],
  ])('sends %s: told so, and the connection stays', async (_, request) => {
    const { path } = await runServer();
    const { socket, answers } = await rawConnection(path);
    socket.write(Buffer.concat([encodeFrame(request), encodeFrame({ v: 1, id: 10, op: 'status' })]));
    await eventually(() => answers.length === 2, 'two answers');
    expect(answers).toContainEqual(
      expect.objectContaining({ id: 9, error: expect.objectContaining({ code: 'InvalidRequest' }) }),
    );
    expect(answers).toContainEqual(
      expect.objectContaining({ id: 10, result: expect.objectContaining({ protocol: 1 }) }),
    );
  });

  it('asks for too much at once: the excess is told when to come again, the rest is answered', async () => {
    const { path } = await runServer();
    await client(path).configure(CONFIGURATION);
    const { socket, answers } = await rawConnection(path);
    const body = { ...REQUEST, publicKey: REQUEST.publicKey.toString('base64') };
    const requests = Array.from({ length: 400 }, (_, i) => encodeFrame({ v: 1, id: i + 1, op: 'issue', body }));
    socket.write(Buffer.concat(requests));
    await eventually(() => answers.length === 400, 'an answer to each');
    const refused = answers.filter((answer) => 'error' in answer);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(400);
    expect(refused[0]).toMatchObject({
      error: { code: 'Overloaded', message: expect.stringContaining('again in 50 ms'), retryAfterMs: 50 },
    });
  });

  it('opens too many connections: told so', async () => {
    const { path } = await runServer();
    for (let i = 0; i < 16; i++) await rawConnection(path);
    await expect(client(path).status()).rejects.toMatchObject({ code: 'Overloaded' });
  });

  it('hangs up in the middle of a frame: others are served on', async () => {
    const { path } = await runServer();
    const { socket } = await rawConnection(path);
    socket.write(encodeFrame({ v: 1, id: 1, op: 'status' }).subarray(0, 10));
    socket.destroy();
    await expect(client(path).status()).resolves.toMatchObject({ protocol: 1 });
  });
});

describe('the client', () => {
  it('says that the notary is not there', async () => {
    const path = join(temporaryFolder(), 'absent.sock');
    await expect(client(path, { patienceMs: 50 }).status()).rejects.toMatchObject({
      code: 'Unavailable',
      retryable: true,
    });
  });

  it('waits for a notary that is just coming up', async () => {
    const path = join(temporaryFolder(), 'late.sock');
    const asked = client(path, { patienceMs: 5000 }).status();
    await runServer({ path });
    await expect(asked).resolves.toMatchObject({ protocol: 1 });
  });

  it('connects again after the notary was restarted', async () => {
    const folder = temporaryFolder();
    const first = await runServer({ folder });
    const notary = client(first.path);
    await notary.configure(CONFIGURATION);
    await first.server.close();
    await runServer({ path: first.path, folder: temporaryFolder() });
    await eventually(
      async () =>
        notary.status().then(
          () => true,
          () => false,
        ),
      'answers again',
    );
  });

  it('gives up on a notary that does not answer', async () => {
    const path = await fakeNotary(() => undefined);
    await expect(client(path, { timeoutMs: 10 }).status()).rejects.toMatchObject({ code: 'Unavailable' });
  });

  it('fails what is in flight when the notary dies', async () => {
    const path = await fakeNotary((_, socket) => socket.destroy());
    const notary = client(path);
    const outcomes = await Promise.allSettled([notary.status(), notary.issue(REQUEST), notary.metrics()]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'Unavailable', retryable: true } });
  });

  it.each([
    ['no protocol at all', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['frames without JSON', encodeFrame(1).fill(0x78, 4)],
    ['another version', encodeFrame({ v: 2, id: 1, result: {} })],
  ])('does not trust a server that speaks %s', async (_, bytes) => {
    const path = await fakeNotary((__, socket) => void socket.write(bytes));
    await expect(client(path).status()).rejects.toMatchObject({ code: 'Unavailable' });
  });

  it('drops a certificate for another key, another identity, or by another signer', async () => {
    const { path } = await runServer();
    await client(path).configure(CONFIGURATION);
    const issued = await client(path).issue(REQUEST);
    const status = await client(path).status();
    const foreign = sampleChain().leaf.toString('base64');
    const answers: Record<string, unknown> = {
      status,
      issue: { ...issued, chain: issued.chain.map((der) => der.toString('base64')) },
    };
    const fake = client(
      await fakeNotary((request, socket) => {
        socket.write(encodeFrame({ v: 1, id: request.id, result: answers[request.op] }));
      }),
    );
    await expect(fake.issue(REQUEST)).resolves.toEqual(issued);
    await expect(fake.issue({ ...REQUEST, publicKey: freshPublicKey() })).rejects.toMatchObject({ code: 'Internal' });
    await expect(fake.issue({ ...REQUEST, spiffeId: `${REQUEST.spiffeId}x` })).rejects.toMatchObject({
      code: 'Internal',
    });
    await expect(fake.issue({ ...REQUEST, dnsNames: ['other'] })).rejects.toMatchObject({ code: 'Internal' });
    answers['issue'] = { ...issued, chain: [foreign] };
    await expect(fake.issue(REQUEST)).rejects.toMatchObject({ code: 'Internal' });
    answers['issue'] = { ...issued, chain: issued.chain.map((der) => forged(der).toString('base64')) };
    await expect(fake.issue(REQUEST)).rejects.toThrow('not signed by its issuer');
  });
});

/** The same certificate with a signature that does not verify. */
function forged(der: Buffer): Buffer {
  const copy = Buffer.from(der);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}

/** A server that does with each request what a test wants. */
async function fakeNotary(answer: (request: { id: number; op: string }, socket: Socket) => void): Promise<string> {
  const path = join(temporaryFolder(), 'fake.sock');
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    const reader = new FrameReader(1e6);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const contents of reader.push(chunk))
        answer(JSON.parse(contents.toString()) as { id: number; op: string }, socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return path;
}
