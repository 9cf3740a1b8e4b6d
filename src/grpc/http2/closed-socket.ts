// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';

/** A socket that has closed stays in memory until a full collection; all that listens to it need not. */
export function letGo(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', ignore);
}

const ignore = (): void => undefined;
