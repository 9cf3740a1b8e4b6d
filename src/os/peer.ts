// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { KeysteadError } from '../errors.ts';
import { libc } from './libc.ts';

/** The process at the other end of a unix socket, as the kernel noted it at connect(2) (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
/** A `struct ucred`: pid, uid, gid, 32 bits each. */
const SO_PEERCRED = 17;

const getsockopt = libc('int getsockopt(int fd, int level, int name, void *value, void *length)');

/**
 * Credentials of the process that connected to this end. Call it at accept, before anything is read.
 * Fails closed: throws PermissionDenied where the socket has no descriptor any more (the peer hung up).
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  const [pid = -1, uid = -1, gid = -1] = socketOption(descriptorOf(socket), SO_PEERCRED, 3);
  // The kernel's numbers of users have no sign.
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}

/** For all calls: an allocation would cost more than one of them. */
const option = new Int32Array(3);
const optionLength = new Uint32Array(1);

/** An option of a socket that is so many numbers of 32 bits; good until the next call. */
export function socketOption(fd: number, name: number, numbers: 1 | 3): Int32Array {
  const bytes = numbers * Int32Array.BYTES_PER_ELEMENT;
  optionLength[0] = bytes;
  getsockopt(fd, SOL_SOCKET, name, option, optionLength);
  if (optionLength[0] === bytes) return option;
  throw new KeysteadError('Internal', `socket option ${name} has ${optionLength[0]} bytes, expected ${bytes}`);
}

/** File descriptor of a connected socket. Node has no public way to it; `_handle.fd` has been stable since 0.10. */
export function descriptorOf(socket: Socket): number {
  const fd = (socket as Socket & { _handle?: { fd?: unknown } | null })._handle?.fd;
  if (typeof fd !== 'number' || fd < 0) {
    throw new KeysteadError('PermissionDenied', 'the caller hung up before its credentials could be read');
  }
  return fd;
}
