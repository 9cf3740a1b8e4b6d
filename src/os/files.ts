// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KeysteadError } from '../errors.ts';

/**
 * errno name (`ENOENT`) of what node:fs or a bound C function threw; undefined for anything else. Asks for the field and
 * not for the class: in a test runner's realm node:fs throws errors of another `Error`.
 */
export function errnoOf(thrown: unknown): string | undefined {
  const error = thrown instanceof KeysteadError ? thrown.cause : thrown;
  const known = typeof error === 'object' && error !== null && 'code' in error;
  return known && typeof error.code === 'string' ? error.code : undefined;
}

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface DurableOptions {
  /** Permissions, whatever the umask; 0o600 unless told. */
  readonly mode?: number;
  /** This process's own unless told. */
  readonly owner?: FileOwner;
}

/** Names of files that an interrupted `writeDurably` may leave behind; nobody needs them. */
export const isTemporaryName = (name: string): boolean => name.startsWith('.') && name.endsWith('.tmp');

/**
 * Writes a file so that after the promise settles it survives a power cut, and so that at every moment its path holds
 * the old content or the new, never a part. Throws what node:fs throws; the old content then stays.
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array,
  options: DurableOptions = {},
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeSynced(temporary, content, options);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function writeSynced(path: string, content: string | Uint8Array, options: DurableOptions): Promise<void> {
  // Made for this process alone, and given away only when complete.
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    if (options.owner) await file.chown(options.owner.uid, options.owner.gid);
    await file.chmod(options.mode ?? 0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes a file so that it stays away after a power cut. Returns whether there was one. */
export async function removeDurably(path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
  await syncDirectory(dirname(path));
  return true;
}

/** A rename or removal is durable only when its directory has been synced too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
