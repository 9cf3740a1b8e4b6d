// SPDX-License-Identifier: Apache-2.0
import { errnoOf } from './files.ts';
import { libc } from './libc.ts';

const poll = libc('int poll(_Inout_ uint8_t *fds, unsigned long count, int milliseconds)');
const EVENTS = { read: 1, write: 4 } as const;

/** Waits until a descriptor can be read or written (poll(2)), or has failed. False where it takes longer than that. */
export function waitFor(descriptor: number, event: keyof typeof EVENTS, milliseconds: number): boolean {
  const deadline = performance.now() + milliseconds;
  // struct pollfd: descriptor (32 bits), events (16), returned events (16), in the machine's order.
  const request = Buffer.alloc(8);
  new Int32Array(request.buffer, request.byteOffset, 1)[0] = descriptor;
  new Int16Array(request.buffer, request.byteOffset + 4, 1)[0] = EVENTS[event];
  for (;;) {
    try {
      return poll(request, 1, Math.max(0, Math.ceil(deadline - performance.now()))) > 0;
    } catch (thrown) {
      if (errnoOf(thrown) !== 'EINTR') throw thrown;
    }
  }
}
