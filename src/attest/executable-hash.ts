// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { fileStatus, type FileStatus } from '../os/file-status.ts';
import { TokenBucket } from '../os/token-bucket.ts';

export type ExecutableHash = { readonly sha256: string } | { readonly sha256: ''; readonly problem: string };

/** Read at once; the event loop is held for at most the hashing of this much, about a millisecond. */
const CHUNK_BYTES = 1 << 20;
/**
 * Bytes that are read a second, and at once after a pause: a module that changes its executable for every measurement costs
 * no more than a tenth of a core. Images come in layers, so that a node's modules have few executables, each read once.
 */
const BYTES_PER_SECOND = 64 * CHUNK_BYTES;
const BURST_BYTES = 512 * CHUNK_BYTES;
/** Files that are hashed at the same time. Reading runs on libuv's four threads, of which others need some. */
const CONCURRENT = 2;
/** Hashes that are remembered; a node has far fewer different executables. */
const REMEMBERED = 4096;
/** A file that changed this short a time ago (ms) could change again within one tick of its timestamps: not remembered. */
const SETTLED_AFTER = 2000;

/** Hashes executables, each file once: by inode, and anew when its ctime, mtime or size has changed. */
export class ExecutableHashes {
  readonly #limit: bigint;
  readonly #rate: TokenBucket;
  readonly #known = new Map<string, string>();
  readonly #running = new Map<string, Promise<ExecutableHash>>();
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  /** Files larger than `limitBytes` are not read; `rate` bounds the bytes that are. */
  constructor(limitBytes: number, rate = new TokenBucket(BYTES_PER_SECOND, BURST_BYTES)) {
    this.#limit = BigInt(limitBytes);
    this.#rate = rate;
  }

  /**
   * SHA-256 of the file at `path`, which must still have this status when it has been read; otherwise the answer holds
   * a problem. `file` is its device and inode; where several names stand for the same file (containers of
   * one image each have their own overlay) the one that they have in common, so that it is hashed once.
   */
  async of(path: string, status: FileStatus, file = `${status.device}/${status.inode}`): Promise<ExecutableHash> {
    if (status.size > this.#limit) {
      return { sha256: '', problem: `it has ${status.size} bytes, more than the limit of ${this.#limit}` };
    }
    const key = `${file}/${status.ctimeNs}/${status.mtimeNs}/${status.size}`;
    const known = this.#known.get(key);
    if (known !== undefined) return { sha256: known };
    const running = this.#running.get(key) ?? this.#hash(key, path, status);
    this.#running.set(key, running);
    return running.finally(() => this.#running.delete(key));
  }

  async #hash(key: string, path: string, status: FileStatus): Promise<ExecutableHash> {
    await this.#turn();
    try {
      const handle = await open(path);
      try {
        const sha256 = await digest(handle, this.#rate);
        // After reading: that the file was the one meant all the while, and has not changed.
        if (!sameFile(handle, status)) return { sha256: '', problem: 'it changed while it was read' };
        if (Date.now() - Number(status.ctimeNs / 1_000_000n) > SETTLED_AFTER) this.#remember(key, sha256);
        return { sha256 };
      } finally {
        await handle.close();
      }
    } finally {
      this.#active--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#active >= CONCURRENT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#active++;
  }

  #remember(key: string, sha256: string): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, sha256);
  }
}

function sameFile(handle: FileHandle, status: FileStatus): boolean {
  const now = fileStatus(`/proc/self/fd/${handle.fd}`);
  return (
    now.inode === status.inode &&
    now.device === status.device &&
    now.ctimeNs === status.ctimeNs &&
    now.mtimeNs === status.mtimeNs &&
    now.size === status.size
  );
}

async function digest(handle: FileHandle, rate: TokenBucket): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return hash.digest('hex');
    await rate.take(bytesRead);
    hash.update(chunk.subarray(0, bytesRead));
  }
}
