// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { Identity } from '../../../src/client/index.ts';
import type { Credentials } from '../../../src/deliver/port.ts';
import { makeCredentials, type Made } from '../workload/credentials.ts';

const TILL = 'spiffe://edge.example/ns/shop/module/till';
const STOCK = 'spiffe://edge.example/ns/shop/module/stock';
let made: Made;
let folder: string;
let revision = 0;
let opened: Identity[];

beforeAll(() => void (made = makeCredentials([TILL, STOCK])));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-client-'));
  opened = [];
});
afterEach(() => {
  for (const identity of opened) identity.close();
  rmSync(folder, { recursive: true });
});

/** Swaps a revision in as the agent does. */
function deliver({ chain, privateKey }: Credentials): void {
  const name = `..rev-${++revision}`;
  mkdirSync(join(folder, name));
  const files = {
    'tls.crt': chain,
    'ca.crt': made.authority,
    ...(privateKey !== undefined && { 'tls.key': privateKey }),
  };
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, name, file), content);
  symlinkSync(name, join(folder, '..next'));
  renameSync(join(folder, '..next'), join(folder, '..data'));
}

async function open(): Promise<Identity> {
  const identity = await Identity.open({ folder });
  opened.push(identity);
  return identity;
}

/** The SPIFFE IDs that server and client see of each other in one handshake. */
async function handshake(server: ReturnType<typeof createServer>, client: Identity, authorize = () => true) {
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const socket = connect({ port, host: '127.0.0.1', ...client.clientOptions(authorize) });
  await once(socket, 'secureConnect');
  const [peer] = await accepted;
  const seen = [socket.getPeerX509Certificate()?.subjectAltName, peer.getPeerX509Certificate()?.subjectAltName];
  socket.destroy();
  peer.destroy();
  return seen;
}

describe('the identity of a module in Node', () => {
  it('is waited for, read, and followed through rotations', async () => {
    const waiting = open();
    deliver(made.credentials[0]!);
    const identity = await waiting;
    expect(identity.current).toMatchObject({ spiffeId: TILL, trustAnchors: made.authority });
    const changed = once(identity, 'change');
    deliver(made.credentials[1]!);
    expect(await changed).toEqual([expect.objectContaining({ spiffeId: STOCK })]);
    expect(identity.current.spiffeId).toBe(STOCK);
  });

  it('is waited for in a Secret too, whose entries are empty before the attestation and after a withdrawal', async () => {
    const EMPTY = { chain: '', privateKey: '' };
    deliver(EMPTY);
    const waiting = open();
    deliver(made.credentials[0]!);
    const identity = await waiting;
    expect(identity.current.spiffeId).toBe(TILL);
    const changed = once(identity, 'change');
    deliver(EMPTY);
    // As long as it takes to be noticed: what comes next would be noticed for both.
    await new Promise((resolve) => setTimeout(resolve, 100));
    deliver(made.credentials[1]!);
    expect(await changed).toEqual([expect.objectContaining({ spiffeId: STOCK })]);
  });

  it('can be given up before it is there', async () => {
    await expect(Identity.open({ folder, signal: AbortSignal.timeout(10) })).rejects.toThrow(/abort/i);
  });

  it('speaks mutual TLS; a server that follows it uses the next certificate without a restart', async () => {
    deliver(made.credentials[0]!);
    const identity = await open();
    const server = createServer(identity.serverOptions()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    identity.follow(server);
    expect(await handshake(server, identity)).toEqual([`URI:${TILL}`, `URI:${TILL}`]);
    const changed = once(identity, 'change');
    deliver(made.credentials[1]!);
    await changed;
    expect(await handshake(server, identity)).toEqual([`URI:${STOCK}`, `URI:${STOCK}`]);
    const refused = handshake(server, identity, () => false);
    server.once('tlsClientError', () => undefined);
    await expect(refused).rejects.toThrow(`the server is ${STOCK}`);
    server.close();
  });

  it('has no TLS where the key is in the token, and says what there is instead', async () => {
    deliver({ chain: made.credentials[0]!.chain });
    const identity = await open();
    expect(identity.current).toMatchObject({ spiffeId: TILL, privateKey: undefined });
    expect(() => identity.secureContext).toThrow(
      expect.objectContaining({ code: 'MechanismMissing', message: expect.stringContaining('NotaryClient.sign') }),
    );
  });
});
