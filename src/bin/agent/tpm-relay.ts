// SPDX-License-Identifier: Apache-2.0
import { chmodSync, closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../log.ts';
import { errnoOf } from '../../os/files.ts';
import { waitFor } from '../../os/poll.ts';

export interface TpmRelayOptions {
  /** The TPM's device node; `/dev/tpmrm0` gives each connection handles of its own. */
  readonly device: string;
  /** Where the notary finds it: in the folder that these two containers share. */
  readonly path: string;
  readonly log: Logger;
}

/** Size of a command or response: 32 bits, big-endian, at octet 2 (TPM 2.0 Part 1, 18.4). */
const HEADER_BYTES = 10;
const SIZE_AT = 2;
/** Of the reference implementation, and what Linux takes. */
const MAX_BYTES = 4096;
/** The notary has two: one uses keys, one attests. */
const MAX_CONNECTIONS = 8;
/** Waits between looks at a device that works, milliseconds: doubled from the first to the last. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 16;
/** Longest time of one command; beyond the notary's own, which gives up first. */
const PATIENCE_MS = 300_000;
/** Folder and group let the notary in and nobody else. */
const SOCKET_MODE = 0o660;

/**
 * Lets the notary use the node's TPM, whose device node the kernel keeps from its container (cgroups open devices to
 * privileged ones alone): each connection gets the device opened for itself and has one command after the other passed
 * on. What passes here is what passes the bus between processor and TPM, and is protected in the same way: sessions are
 * salted, authenticated, and encrypt what is secret, end to end.
 */
export class TpmRelay {
  readonly #options: TpmRelayOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: TpmRelayOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  async listen(): Promise<void> {
    const { path, device, log } = this.#options;
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, resolve);
    });
    chmodSync(path, SOCKET_MODE);
    log.info({ device, socket: path }, 'relays the TPM to the notary');
  }

  /** Ends the connections too: an open one would keep this process from ending. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    const { device, log } = this.#options;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let descriptor: number;
    try {
      descriptor = openSync(device, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (thrown) {
      log.error(
        { device, err: errnoOf(thrown) ?? String(thrown) },
        'cannot open the TPM; check the chart value tpm.device',
      );
      socket.destroy();
      return;
    }
    void this.#serve(socket, descriptor)
      .catch((thrown: unknown) => log.warn({ device, err: String(thrown) }, 'a connection to the TPM ended'))
      .finally(() => {
        closeSync(descriptor);
        socket.destroy();
      });
  }

  async #serve(socket: Socket, descriptor: number): Promise<void> {
    let pending = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      pending = Buffer.concat([pending, chunk]);
      for (let size = messageSize(pending); size !== undefined && pending.length >= size; size = messageSize(pending)) {
        socket.write(await exchange(descriptor, pending.subarray(0, size)));
        pending = pending.subarray(size);
      }
    }
  }
}

/** Size of the message that begins here; undefined before its header is complete. */
function messageSize(octets: Buffer): number | undefined {
  if (octets.length < HEADER_BYTES) return undefined;
  const size = octets.readUInt32BE(SIZE_AT);
  if (size >= HEADER_BYTES && size <= MAX_BYTES) return size;
  throw new Error(`expected a TPM message of ${HEADER_BYTES} to ${MAX_BYTES} octets, found one of ${size}`);
}

/** One command and its response. The device is looked at from time to time: no thread and no turn waits for it. */
async function exchange(descriptor: number, command: Buffer): Promise<Buffer> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let sent = 0; sent < command.length;) {
    await ready(descriptor, 'write', deadline);
    sent += writeSync(descriptor, command, sent);
  }
  const response = Buffer.alloc(MAX_BYTES);
  let received = 0;
  for (let size = HEADER_BYTES; received < size; size = messageSize(response.subarray(0, received)) ?? HEADER_BYTES) {
    await ready(descriptor, 'read', deadline);
    const count = readSync(descriptor, response, received, MAX_BYTES - received, null);
    if (count === 0) throw new Error('the device hung up');
    received += count;
  }
  return response.subarray(0, received);
}

async function ready(descriptor: number, event: 'read' | 'write', deadline: number): Promise<void> {
  for (let wait = FIRST_LOOK_MS; !waitFor(descriptor, event, 0); wait = Math.min(2 * wait, LAST_LOOK_MS)) {
    if (performance.now() > deadline) throw new Error('the TPM does not answer');
    // Nobody is left to be answered where this is all that the process still waits for.
    await sleep(wait, undefined, { ref: false });
  }
}
