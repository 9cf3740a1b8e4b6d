// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import type { Server } from 'node:net';

/** The environment variable by which a supervised program learns what is held for it: JSON, an array of HeldSocket. */
export const HELD_SOCKETS = 'KEYSTEAD_HELD_SOCKETS';
/** Descriptors from here on are the held sockets, in the order of that array; the one before is the channel to the holder. */
export const FIRST_HELD_DESCRIPTOR = 4;

/** A listening socket that another process keeps open. */
export interface HeldSocket {
  readonly key: string;
  /** Of its file, to tell whether the path still leads to it. */
  readonly inode: number;
}

/** From the program to its holder; a `hold` brings the socket along. */
export type HolderMessage = { readonly hold: HeldSocket } | { readonly release: string };

type Send = (message: HolderMessage, handle?: unknown) => void;

/**
 * Listening unix sockets that outlive this process: its supervisor keeps each open too, so that while nobody is there a
 * connection waits in the kernel's queue instead of being refused, and gives them to the next process at its start.
 */
export class HeldSockets {
  readonly #send: Send | undefined;
  readonly #inherited = new Map<string, { readonly inode: number; readonly descriptor: number }>();

  /** `text` is the value of HELD_SOCKETS. Without a channel to a supervisor nothing is held. */
  constructor(text?: string, send?: Send) {
    this.#send = send;
    if (text === undefined || send === undefined) return;
    (JSON.parse(text) as HeldSocket[]).forEach(({ key, inode }, index) => {
      this.#inherited.set(key, { inode, descriptor: FIRST_HELD_DESCRIPTOR + index });
    });
  }

  /** The descriptor of what the process before this one listened with, the caller's from now on; one that lies elsewhere by now is closed. */
  take(key: string, inode: number | undefined): number | undefined {
    const found = this.#inherited.get(key);
    if (!found) return undefined;
    this.#inherited.delete(key);
    if (found.inode === inode) return found.descriptor;
    closeSync(found.descriptor);
    return undefined;
  }

  /** Has a server's socket kept open. */
  hold(held: HeldSocket, server: Server): void {
    // The handle itself: a Server that is sent starts to accept where it arrives.
    this.#send?.({ hold: held }, (server as Server & { readonly _handle: unknown })._handle);
  }

  release(key: string): void {
    this.#send?.({ release: key });
  }
}
