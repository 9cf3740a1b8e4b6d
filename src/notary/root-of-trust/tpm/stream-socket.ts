// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { KeysteadError } from '../../../errors.ts';
import { errnoOf } from '../../../os/files.ts';
import { libc } from '../../../os/libc.ts';

/** Where a software TPM listens. TCP wants an IPv4 address: a name would need a resolver, and swtpm is local. */
export type SocketPlace = { readonly path: string } | { readonly host: string; readonly port: number };

const socket = libc('int socket(int family, int type, int protocol)');
const connect = libc('int connect(int fd, const uint8_t *address, uint32_t length)');
const fcntl = libc('int fcntl(int fd, int command, long argument)');

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const SUN_PATH_BYTES = 108;

/**
 * A connected, non-blocking stream socket as a file descriptor. Node's own sockets answer only through the event loop;
 * the root of trust is synchronous, and these three calls of the C library are less than a worker thread with a
 * shared buffer would be. Throws TokenAbsent, and InvalidConfiguration where the sandbox allows no such socket.
 */
export function connectSocket(place: SocketPlace, name: string): number {
  const family = 'path' in place ? AF_UNIX : AF_INET;
  const address = 'path' in place ? unixAddress(place.path) : internetAddress(place.host, place.port);
  const descriptor = openSocket(family, name);
  try {
    connect(descriptor, address, address.length);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
  } catch (thrown) {
    closeSync(descriptor);
    const found = errnoOf(thrown) ?? 'unknown';
    throw new KeysteadError('TokenAbsent', `cannot connect to the TPM at ${name}: ${found}; start its swtpm`, {
      cause: thrown,
    });
  }
}

function openSocket(family: number, name: string): number {
  try {
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  } catch (cause) {
    if (errnoOf(cause) !== 'EPERM') throw cause;
    const remedy = "give the unix socket of the TPM, or let the notary's sandbox be `network`";
    const found = 'the sandbox lets this process open unix sockets only';
    throw new KeysteadError('InvalidConfiguration', `cannot connect to the TPM at ${name}: ${found}; ${remedy}`, {
      cause,
    });
  }
}

/** struct sockaddr_un (unix(7)). */
function unixAddress(path: string): Buffer {
  const octets = Buffer.from(path, 'utf8');
  if (octets.length >= SUN_PATH_BYTES || octets.includes(0)) {
    const expected = `a socket path of at most ${SUN_PATH_BYTES - 1} octets without NUL`;
    throw new KeysteadError('InvalidConfiguration', `expected ${expected}, found ${JSON.stringify(path)}`);
  }
  return Buffer.concat([familyOf(AF_UNIX), octets, Buffer.of(0)]);
}

/** struct sockaddr_in (ip(7)): port and address in network order. */
function internetAddress(host: string, port: number): Buffer {
  if (!isIPv4(host) || !Number.isInteger(port) || port < 1 || port > 0xffff) {
    throw new KeysteadError('InvalidConfiguration', `expected an IPv4 address and a port, found ${host}:${port}`);
  }
  const octets = host.split('.').map(Number);
  return Buffer.concat([familyOf(AF_INET), Buffer.of(port >> 8, port & 0xff), Buffer.from(octets), Buffer.alloc(8)]);
}

function familyOf(family: number): Buffer {
  return endianness() === 'LE' ? Buffer.of(family, 0) : Buffer.of(0, family);
}
