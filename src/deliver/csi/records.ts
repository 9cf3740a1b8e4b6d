// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isTemporaryName, removeDurably, writeDurably } from '../../os/files.ts';
import type { PublishedVolume } from '../port.ts';

/** A reader of another version must be able to tell. */
const RECORD_VERSION = 1;

/** What the kubelet has asked for, on disk: one file a volume, there before the mount and gone after it. */
export class VolumeRecords {
  readonly #directory: string;

  /** `stateDir` must survive a restart of this process; its content holds no secret. */
  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'volumes');
  }

  /** Makes the directory, and removes what interrupted writes have left. Call once before the rest. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const leftovers = (await readdir(this.#directory)).filter(isTemporaryName);
    for (const name of leftovers) await unlink(join(this.#directory, name));
  }

  /** All records; those that cannot be understood are told to `onUnreadable` and left where they are. */
  async all(onUnreadable: (path: string) => void): Promise<readonly PublishedVolume[]> {
    const volumes: PublishedVolume[] = [];
    for (const name of (await readdir(this.#directory)).filter((each) => each.endsWith('.json')).sort()) {
      const path = join(this.#directory, name);
      const volume = parseRecord(await readFile(path, 'utf8'));
      if (volume) volumes.push(volume);
      else onUnreadable(path);
    }
    return volumes;
  }

  async read(volumeId: string): Promise<PublishedVolume | undefined> {
    try {
      return parseRecord(await readFile(this.#path(volumeId), 'utf8'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(volume: PublishedVolume): Promise<void> {
    await writeDurably(this.#path(volume.volumeId), `${JSON.stringify({ version: RECORD_VERSION, volume })}\n`);
  }

  /** Removing what is not there is fine. */
  async remove(volumeId: string): Promise<void> {
    await removeDurably(this.#path(volumeId));
  }

  /** Hashed, because the id is the caller's text and a file name is not. */
  #path(volumeId: string): string {
    return join(this.#directory, `${createHash('sha256').update(volumeId).digest('hex')}.json`);
  }
}

function parseRecord(text: string): PublishedVolume | undefined {
  try {
    const record: unknown = JSON.parse(text);
    const known = isObject(record) && record['version'] === RECORD_VERSION && isVolume(record['volume']);
    return known ? (record['volume'] as PublishedVolume) : undefined;
  } catch {
    return undefined;
  }
}

const STRING_FIELDS = ['volumeId', 'targetPath', 'podUid', 'podNamespace', 'podName'] as const;

function isVolume(value: unknown): value is PublishedVolume {
  if (!isObject(value)) return false;
  const { fsGroup, attributes } = value;
  return (
    STRING_FIELDS.every((field) => typeof value[field] === 'string') &&
    (fsGroup === undefined || typeof fsGroup === 'number') &&
    isObject(attributes) &&
    Object.values(attributes).every((each) => typeof each === 'string')
  );
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
