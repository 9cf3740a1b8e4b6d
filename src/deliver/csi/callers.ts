// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { asKeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { peerPidfd } from '../../os/peer-pidfd.ts';

/** What is known of who calls. */
export interface Callers {
  /** Uid of the pod that a process is in; undefined where it is in none. */
  podOf(pid: number): string | undefined;
  readonly log: Logger;
}

/** Why the process at the other end may not call: only the kubelet may, which is in no pod. Undefined where it may. */
export function refusal(socket: Socket, callers: Pick<Callers, 'podOf'>): string | undefined {
  try {
    const peer = peerPidfd(socket);
    const podUid = peer && callers.podOf(peer.pid);
    // Asked last: as long as it lives its pid is its own.
    const alive = peer?.alive() ?? false;
    peer?.close();
    if (!alive) return 'expected a process that lives, found one that has ended';
    return podUid === undefined ? undefined : `expected the kubelet, found process ${peer?.pid} of pod ${podUid}`;
  } catch (error) {
    return asKeysteadError(error).message;
  }
}
