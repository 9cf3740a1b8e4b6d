// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../os/files.ts';

const SINCE = 'since';

/**
 * Of which containers the start was held, for the agents that come after this one: an empty file for each, named by its id, in a
 * folder of this boot. What started before the record began is not in it. A power cut ends record and containers alike, so nothing
 * is synced to the disk.
 */
export class HeldRecord {
  /** When the record began, seconds after the boot. */
  readonly since: number;
  readonly #folder: string;

  /** `folder`: holds nothing else; `uptime`: seconds after the boot. Throws what node:fs throws. */
  constructor(folder: string, bootId: string, uptime: number) {
    this.#folder = join(folder, bootId);
    if (existsSync(folder)) {
      for (const name of readdirSync(folder)) if (name !== bootId) rmSync(join(folder, name), { recursive: true });
    }
    this.#make();
    this.since = begun(join(this.#folder, SINCE), uptime);
  }

  has(containerId: string): boolean {
    return existsSync(this.#path(containerId));
  }

  /** There already when it returns. Throws what node:fs throws, for example where the disk is full. */
  add(containerId: string): void {
    this.#make();
    writeFileSync(this.#path(containerId), '', { mode: 0o600 });
  }

  delete(containerId: string): void {
    rmSync(this.#path(containerId), { force: true });
  }

  ids(): readonly string[] {
    return readdirSync(this.#folder).filter((name) => name !== SINCE);
  }

  #make(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  #path(containerId: string): string {
    // The runtime's ids are hexadecimal; this one would be another file.
    if (!/^[\w-]+$/.test(containerId)) throw new TypeError(`"${containerId}" is no id of a container`);
    return join(this.#folder, containerId);
  }
}

/** An agent that starts beside this one may have been first. */
function begun(path: string, uptime: number): number {
  try {
    writeFileSync(path, String(uptime), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const since = Number.parseFloat(readFileSync(path, 'utf8'));
  return Number.isNaN(since) ? uptime : since;
}
