// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { errnoOf } from './files.ts';
import { descriptorOf, peerCredentials, socketOption } from './peer.ts';
import { openPidfd, Pidfd } from './pidfd.ts';

/** From asm-generic/socket.h; Linux 6.5 and later. */
const SO_PEERPIDFD = 77;

/**
 * A handle on the very process that connected to this end. Call it at accept; the handle is the caller's to close.
 * Undefined where that process has ended. A kernel before 6.5 knows the pid alone, which is opened instead: the pid may
 * have passed to another process between connect(2) and now, who then is measured in the first one's stead.
 */
export function peerPidfd(socket: Socket): Pidfd | undefined {
  const { pid } = peerCredentials(socket);
  let fd: number | undefined;
  try {
    [fd] = socketOption(descriptorOf(socket), SO_PEERPIDFD, 1);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOPROTOOPT') return openPidfd(pid);
    // The process is gone, reaped, and the kernel has no handle on it any more.
    if (code === 'ESRCH' || code === 'EINVAL' || code === 'ENODATA') return undefined;
    throw error;
  }
  return new Pidfd(pid, fd ?? -1);
}
