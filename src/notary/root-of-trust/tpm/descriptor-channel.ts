// SPDX-License-Identifier: Apache-2.0
import { closeSync, readSync, writeSync } from 'node:fs';
import { KeysteadError } from '../../../errors.ts';
import { errnoOf } from '../../../os/files.ts';
import { waitFor } from '../../../os/poll.ts';
import type { SocketPlace } from '../../../os/stream-socket.ts';
import { HEADER_BYTES, MAX_RESPONSE_BYTES, type TpmChannel } from './channel.ts';
import { connectSocket, openDevice } from './connect.ts';

/** An RSA key takes a discrete TPM up to a minute or two; the kernel's own limit for it is five minutes. */
const DEFAULT_TIMEOUT_MS = 180_000;

export interface ChannelOptions {
  /** Longest time for one command. */
  readonly timeoutMs?: number;
}

/**
 * A TPM behind a file descriptor, used synchronously as the RootOfTrust port wants it: the device node (one write is one
 * command, one read one response) or the socket of a swtpm (a stream of the same octets). Both are non-blocking and
 * waited for with poll(2), so that a TPM that hangs ends in an error and not in a hung notary.
 */
export class DescriptorChannel implements TpmChannel {
  readonly place: string;
  readonly #connect: () => number;
  readonly #timeoutMs: number;
  readonly #buffer = Buffer.alloc(MAX_RESPONSE_BYTES);
  #descriptor: number | undefined;

  private constructor(place: string, connect: () => number, options: ChannelOptions) {
    this.place = place;
    this.#connect = connect;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#descriptor = connect();
  }

  /** A device node; `/dev/tpmrm0` gives each opener handles of its own, `/dev/tpm0` only serves one. Throws TokenAbsent. */
  static device(path: string, options: ChannelOptions = {}): DescriptorChannel {
    return new DescriptorChannel(path, () => openDevice(path), options);
  }

  /** The data socket of a software TPM. Throws TokenAbsent. */
  static socket(place: SocketPlace, options: ChannelOptions = {}): DescriptorChannel {
    const name = 'path' in place ? `unix:${place.path}` : `tcp:${place.host}:${place.port}`;
    return new DescriptorChannel(name, () => connectSocket(place, name), options);
  }

  exchange(command: Buffer): Buffer {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw this.#unavailable('it is closed');
    try {
      const deadline = performance.now() + this.#timeoutMs;
      this.#send(descriptor, command, deadline);
      return this.#receive(descriptor, deadline);
    } catch (thrown) {
      // A late answer to this command must never be taken for the answer to the next.
      this.close();
      if (thrown instanceof KeysteadError) throw thrown;
      throw this.#unavailable(errnoOf(thrown) ?? String(thrown), thrown);
    }
  }

  reopen(): void {
    this.close();
    this.#descriptor = this.#connect();
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #send(descriptor: number, command: Buffer, deadline: number): void {
    for (let sent = 0; sent < command.length;) {
      this.#await(descriptor, 'write', deadline);
      sent += writeSync(descriptor, command, sent);
    }
  }

  #receive(descriptor: number, deadline: number): Buffer {
    let size = HEADER_BYTES;
    for (let received = 0; received < size;) {
      this.#await(descriptor, 'read', deadline);
      // More than the response is asked for: whatever follows it must not stay behind for the next command.
      const count = readSync(descriptor, this.#buffer, received, MAX_RESPONSE_BYTES - received, null);
      if (count === 0) throw this.#unavailable('it hung up');
      received += count;
      if (received >= HEADER_BYTES) size = this.#buffer.readUInt32BE(2);
      if (size < HEADER_BYTES || size > MAX_RESPONSE_BYTES || received > Math.max(size, HEADER_BYTES)) {
        throw new KeysteadError('TokenFailed', `the TPM at ${this.place} answers ${received} octets as ${size}`);
      }
    }
    return Buffer.from(this.#buffer.subarray(0, size));
  }

  #await(descriptor: number, event: 'read' | 'write', deadline: number): void {
    if (waitFor(descriptor, event, deadline - performance.now())) return;
    throw this.#unavailable(`no answer within ${this.#timeoutMs} ms`);
  }

  #unavailable(found: string, cause?: unknown): KeysteadError {
    const remedy = 'check the device or the swtpm process; the notary keeps trying';
    return new KeysteadError('Unavailable', `the TPM at ${this.place} does not answer: ${found}; ${remedy}`, { cause });
  }
}
