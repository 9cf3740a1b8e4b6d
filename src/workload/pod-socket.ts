// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, constants, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Ownership } from '../deliver/port.ts';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';
import type { HeldSockets } from '../os/held-sockets.ts';

/** The volume is the pod's own, and who connects is measured: file permissions would only keep out the module. */
const SOCKET_MODE = 0o666;
/** Where others reach the folder too. */
const OWNED_MODE = 0o600;

/** Where a pod's socket lies, and what keeps it open over a restart. */
export interface SocketPlace {
  readonly directory: string;
  readonly name: string;
  /** Names the socket among all that are held. */
  readonly key: string;
  readonly held: HeldSockets;
  /** The only user, beside root, that may connect; undefined: any. */
  readonly owner?: Ownership;
}

/** A listening unix socket in a directory. */
export class PodSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #place: SocketPlace;
  readonly #inode: number;

  /**
   * Listens at `directory/name`: with the very socket of the process before this one where that was held and still lies
   * there, or else with a new one that takes the place of what lies there by one rename, so that no caller finds the path
   * missing. Throws `Unavailable` where the directory is gone or full.
   */
  constructor(place: SocketPlace, onConnection: (socket: Socket) => void) {
    const { directory, name, key, held, owner } = place;
    this.#place = place;
    this.#path = join(directory, name);
    const found = inodeOf(this.#path);
    const descriptor = held.take(key, found);
    if (found !== undefined && descriptor !== undefined) {
      this.#server = createServer(onConnection).listen({ fd: descriptor });
      this.#inode = found;
      return;
    }
    const temporary = `.${randomBytes(4).toString('hex')}`;
    this.#server = listen(directory, temporary, onConnection);
    try {
      if (owner) chownSync(join(directory, temporary), owner.uid, owner.gid);
      chmodSync(join(directory, temporary), owner ? OWNED_MODE : SOCKET_MODE);
      this.#inode = statSync(join(directory, temporary)).ino;
      renameSync(join(directory, temporary), this.#path);
    } catch (error) {
      this.#server.close();
      rmSync(join(directory, temporary), { force: true });
      throw error;
    }
    held.hold({ key, inode: this.#inode }, this.#server);
  }

  /** Takes no more connections. `remove` takes the file away too, unless another process has put its own there. */
  close({ remove }: { readonly remove: boolean }): void {
    this.#server.close();
    if (!remove) return;
    removeOwn(this.#path, this.#inode);
    this.#place.held.release(this.#place.key);
  }

  /** Whether another process has put its own socket in this one's place, or somebody has taken it away. */
  get isReplaced(): boolean {
    return inodeOf(this.#path) !== this.#inode;
  }
}

/** Whether a socket lies at that place in a directory, alive or left by a predecessor. */
export function hasSocket(directory: string, name: string): boolean {
  return inodeOf(join(directory, name)) !== undefined;
}

/** Inode of the socket at a path; undefined where there is none. */
function inodeOf(path: string): number | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status?.isSocket() === true ? status.ino : undefined;
}

/**
 * A pod's volume lies deeper than the 107 bytes that the address of a unix socket may have (unix(7)): it is bound through
 * a descriptor of its directory. Done when it returns: Node listens on a path within the call.
 */
function listen(directory: string, name: string, onConnection: (socket: Socket) => void): Server {
  const folder = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const server = createServer(onConnection);
    let failure: Error | undefined;
    server.on('error', (error) => (failure = error));
    server.listen(`/proc/self/fd/${folder}/${name}`);
    if (server.listening) return server;
    throw new KeysteadError('Unavailable', `Cannot listen in ${directory}`, { cause: failure });
  } finally {
    closeSync(folder);
  }
}

function removeOwn(path: string, inode: number): void {
  try {
    if (statSync(path).ino === inode) rmSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
