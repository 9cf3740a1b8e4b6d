// SPDX-License-Identifier: Apache-2.0
import { failed, held, skippedUntilRunning, unknown, type Rule } from './rule.ts';

/** The process that is judged, the one that called where a socket was called, still runs. */
export const callerAlive: Rule = {
  name: 'CallerAlive',
  reason: 'CallerGone',
  check({ process, phase }) {
    if (phase === 'Starting') return skippedUntilRunning;
    const remedy = 'call again from the process that is the module';
    if (process === undefined) return failed('a running process', 'one that has ended', remedy);
    return held(`process ${process.pid}, started at tick ${process.startTime}`);
  },
};

/** The socket that was called lies in the volume of the caller's own pod. */
export const socketOwner: Rule = {
  name: 'SocketOwner',
  reason: 'SocketNotOwned',
  check({ process, call, phase }) {
    if (phase === 'Starting') return skippedUntilRunning;
    if (process === undefined) return unknown('a process');
    if (call === undefined) return held('no socket was called');
    if (process.podUid === call.podUid) return held(`the socket of its own pod ${call.podUid}`);
    const remedy = "each pod has a socket of its own; mount the identity volume instead of reaching for a neighbour's";
    return failed(
      `a process of pod ${call.podUid}, whose socket it is`,
      `one of pod ${process.podUid ?? 'none'}`,
      remedy,
    );
  },
};
