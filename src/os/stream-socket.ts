// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { KeysteadError } from '../errors.ts';
import { libc } from './libc.ts';

/** Where a process listens. TCP wants an IPv4 address: a name would need a resolver. */
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
 * A connected, non-blocking stream socket as a file descriptor, for synchronous use: Node's own sockets answer only
 * through the event loop. Throws InvalidConfiguration for a place that cannot be, else Internal with the errno.
 */
export function connectStream(place: SocketPlace): number {
  const address = 'path' in place ? unixAddress(place.path) : internetAddress(place.host, place.port);
  const descriptor = socket('path' in place ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    connect(descriptor, address, address.length);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
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
