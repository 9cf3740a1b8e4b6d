// SPDX-License-Identifier: Apache-2.0
// A module as somebody else would write it: plain Node.js, no Keystead library. It reads its identity from the mounted
// files, serves mutual TLS with it, and greets its peer over mutual TLS every other second.
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

const IDENTITY_DIR = process.env['IDENTITY_DIR'] ?? '/var/run/keystead';
const PORT = Number(process.env['PORT'] ?? 8443);
/** SPIFFE ID of the one peer that may call, and that is called. */
const PEER_ID = required('PEER_ID');
/** Name of the peer's Service. Its address is in the environment where the Service was there before the pod. */
const PEER = required('PEER_SERVICE');
const PEER_HOST = process.env[`${PEER.toUpperCase().replaceAll('-', '_')}_SERVICE_HOST`] ?? PEER;
const PEER_PORT = Number(process.env['PEER_PORT'] ?? PORT);
const RELOAD_MS = 500;
const GREET_MS = 2000;

interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly id: string;
  readonly serial: string;
  readonly until: string;
}

let identity: Identity | undefined;
let server: Server | undefined;

const atFirst = readIdentity();
say(`started, identity ${atFirst ? 'was there at the first instruction' : 'is not there yet'}`);
if (atFirst) adopt(atFirst);
setInterval(reload, RELOAD_MS);
setInterval(greet, GREET_MS);
process.on('SIGTERM', () => process.exit(0));

/** The identity in the volume; undefined where there is none or it is just being swapped. */
function readIdentity(): Identity | undefined {
  try {
    const read = (name: string) => readFileSync(join(IDENTITY_DIR, name), 'utf8');
    const files = { cert: read('tls.crt'), key: read('tls.key'), ca: read('ca.crt') };
    const leaf = new X509Certificate(files.cert);
    if (!leaf.checkPrivateKey(createPrivateKey(files.key))) return undefined;
    return { ...files, id: spiffeId(leaf.subjectAltName), serial: leaf.serialNumber, until: leaf.validTo };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') say(`cannot use the files in ${IDENTITY_DIR}: ${message}`);
    return undefined;
  }
}

function reload(): void {
  const found = readIdentity();
  if (found) {
    if (found.cert !== identity?.cert || found.ca !== identity.ca) adopt(found);
  } else if (identity) {
    say('identity was taken away');
    identity = undefined;
    server?.close();
    server?.closeAllConnections();
    server = undefined;
  }
}

function adopt(found: Identity): void {
  identity = found;
  say(`identity ${found.id} serial ${found.serial} until ${found.until}`);
  if (server) server.setSecureContext(tlsOptions(found));
  else server = createServer(tlsOptions(found), answer).listen(PORT, () => say(`serving on port ${PORT}`));
}

function tlsOptions({ cert, key, ca }: Identity) {
  return { cert, key, ca, minVersion: 'TLSv1.3' as const, requestCert: true, rejectUnauthorized: true };
}

/** The chain was verified by TLS; the name is verified here. */
function answer(incoming: IncomingMessage, response: ServerResponse): void {
  const { socket } = incoming;
  const caller = socket instanceof TLSSocket ? spiffeId(socket.getPeerCertificate().subjectaltname) : 'nobody';
  if (caller !== PEER_ID) {
    say(`refused ${caller}`);
    response.writeHead(403).end('I do not know you\n');
    return;
  }
  say(`was greeted by ${caller}`);
  response.end(`hello, ${caller}\n`);
}

function greet(): void {
  if (!identity) return;
  const { cert, key, ca } = identity;
  const call = request({
    ...{ host: PEER_HOST, port: PEER_PORT, cert, key, ca, agent: false, minVersion: 'TLSv1.3' as const, timeout: 1500 },
    // Instead of the host name, which a SPIFFE certificate does not carry: the peer's SPIFFE ID.
    checkServerIdentity(_host: string, certificate: { subjectaltname?: string }) {
      const found = spiffeId(certificate.subjectaltname);
      return found === PEER_ID ? undefined : new Error(`expected ${PEER_ID}, found ${found}`);
    },
  });
  call.on('response', (response: IncomingMessage) => {
    response.resume();
    if (response.statusCode === 200) say(`greeted ${PEER_ID}`);
    else say(`${PEER_ID} answered ${response.statusCode ?? 'nothing'}`);
  });
  call.on('timeout', () => call.destroy(new Error('no answer')));
  call.on('error', (error) => say(`cannot greet ${PEER_ID} at ${PEER_HOST}:${PEER_PORT}: ${error.message}`));
  call.end();
}

/** The one URI name of a certificate, as Node prints it. */
function spiffeId(names: string | undefined): string {
  const uris = (names ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  return (uris.length === 1 && uris[0]?.slice('URI:'.length)) || 'nobody';
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function say(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`);
}
