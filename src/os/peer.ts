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
const SO_PEERCRED = 17;
/** `struct ucred`: pid, uid, gid, 32 bits each. */
const UCRED_BYTES = 12;

const getsockopt = libc('int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)');

/**
 * Credentials of the process that connected to this end. Call it at accept, before anything is read.
 * Fails closed: throws PermissionDenied where the socket has no descriptor any more (the peer hung up).
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  const value = Buffer.alloc(UCRED_BYTES);
  const length = [UCRED_BYTES];
  getsockopt(descriptorOf(socket), SOL_SOCKET, SO_PEERCRED, value, length);
  if (length[0] !== UCRED_BYTES) {
    throw new KeysteadError('Internal', `SO_PEERCRED gave ${length[0] ?? 0} bytes, expected ${UCRED_BYTES}`);
  }
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}

/** File descriptor of a connected socket. Node has no public way to it; `_handle.fd` has been stable since 0.10. */
export function descriptorOf(socket: Socket): number {
  const fd = (socket as Socket & { _handle?: { fd?: unknown } | null })._handle?.fd;
  if (typeof fd !== 'number' || fd < 0) {
    throw new KeysteadError('PermissionDenied', 'the caller hung up before its credentials could be read');
  }
  return fd;
}
