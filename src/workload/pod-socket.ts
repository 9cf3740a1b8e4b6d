// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, constants, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';

/** The volume is the pod's own, and who connects is measured: file permissions would only keep out the module. */
const SOCKET_MODE = 0o666;

/** A listening unix socket in a directory. */
export class PodSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #inode: number;

  /**
   * Listens at `directory/name`. What lies there, a predecessor's socket for example, is replaced by one rename, so
   * that no caller finds the path missing. Throws `Unavailable` where the directory is gone or full.
   */
  constructor(directory: string, name: string, onConnection: (socket: Socket) => void) {
    this.#path = join(directory, name);
    const temporary = `.${randomBytes(4).toString('hex')}`;
    this.#server = listen(directory, temporary, onConnection);
    try {
      chmodSync(join(directory, temporary), SOCKET_MODE);
      this.#inode = statSync(join(directory, temporary)).ino;
      renameSync(join(directory, temporary), this.#path);
    } catch (error) {
      this.#server.close();
      rmSync(join(directory, temporary), { force: true });
      throw error;
    }
  }

  /** Takes no more connections. `remove` takes the file away too, unless another process has put its own there. */
  close({ remove }: { readonly remove: boolean }): void {
    this.#server.close();
    if (remove) removeOwn(this.#path, this.#inode);
  }
}

/** Whether a socket lies at that place in a directory, alive or left by a predecessor. */
export function hasSocket(directory: string, name: string): boolean {
  try {
    return statSync(join(directory, name)).isSocket();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
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
