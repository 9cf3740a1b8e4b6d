// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { errnoOf } from '../os/files.ts';

/** One file of a revision, with the only permissions it ever has. */
export interface RevisionFile {
  readonly content: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** All files of a volume by name: what a reader may see together. */
export type Revision = ReadonlyMap<string, RevisionFile>;

/** The link that a reader resolves once to hold one consistent set, as in the kubelet's own volumes. */
export const DATA_LINK = '..data';
/** Where the next link waits for its rename. */
const NEXT_LINK = '..data_next';
const REVISION_PREFIX = '..rev-';

/**
 * Makes the given files the content of a directory, by one rename.
 *
 * The layout is that of the kubelet's Secret volumes (pkg/volume/util/atomic_writer.go): `name -> ..data/name`,
 * `..data -> ..rev-x`, and `..rev-x` is never changed once `..data` points to it. Whoever resolves `..data` once sees
 * one revision; whoever opens the names one by one may meet a swap in between, as in any Secret volume.
 * The revision before stays until the next swap, so that a reader that has just resolved it still finds its files.
 * Returns false, and touches nothing, where the files are already what was asked.
 */
export function swapIn(directory: string, revision: Revision): boolean {
  const current = currentRevision(directory);
  const same = current !== undefined && sameFiles(join(directory, current), revision);
  if (!same) {
    const next = writeRevision(directory, revision);
    pointTo(directory, next);
    removeRevisions(directory, [next, ...(current === undefined ? [] : [current])]);
  }
  showNames(directory, revision);
  return !same;
}

/**
 * Completes or takes back a swap that was interrupted at any point, and removes every revision but the one that
 * `..data` points to.
 */
export function settle(directory: string): void {
  const current = currentRevision(directory);
  removeRevisions(directory, current === undefined ? [] : [current]);
  showNames(directory, readRevision(directory));
}

/** The files that `..data` holds now; empty where there are none yet. */
export function readRevision(directory: string): Revision {
  const current = currentRevision(directory);
  return current === undefined ? new Map() : readFiles(join(directory, current));
}

function readFiles(path: string): Revision {
  return new Map(readdirSync(path).map((name) => [name, readOne(join(path, name))]));
}

function readOne(path: string): RevisionFile {
  const { mode, uid, gid } = statSync(path);
  return { content: readFileSync(path, 'utf8'), mode: mode & 0o777, uid, gid };
}

/** Name of the directory that `..data` points to, where it does exist. */
function currentRevision(directory: string): string | undefined {
  try {
    const name = readlinkSync(join(directory, DATA_LINK));
    statSync(join(directory, name));
    return name;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function sameFiles(path: string, wanted: Revision): boolean {
  const present = readFiles(path);
  if (present.size !== wanted.size) return false;
  return [...wanted].every(([name, file]) => {
    const other = present.get(name);
    return other !== undefined && sameFile(other, file);
  });
}

function sameFile(one: RevisionFile, other: RevisionFile): boolean {
  return one.content === other.content && one.mode === other.mode && one.uid === other.uid && one.gid === other.gid;
}

function writeRevision(directory: string, revision: Revision): string {
  const path = mkdtempSync(join(directory, REVISION_PREFIX));
  try {
    writeFiles(path, revision);
    chmodSync(path, 0o755);
  } catch (error) {
    // The volume may be full: what was half written must not keep it so.
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
  return basename(path);
}

function writeFiles(path: string, revision: Revision): void {
  const written: [string, RevisionFile][] = [];
  for (const [name, file] of revision) {
    const twin = written.find(([, other]) => sameFile(other, file));
    // A fleet's trust bundle can be large, and it has two names: one copy in memory serves both.
    if (twin) linkSync(join(path, twin[0]), join(path, name));
    else writeOne(join(path, name), file);
    written.push([name, file]);
  }
}

/** Private until complete: neither a mode nor an owner is ever wider than asked, not for a moment. */
function writeOne(path: string, file: RevisionFile): void {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(descriptor, file.content);
    fchownSync(descriptor, file.uid, file.gid);
    fchmodSync(descriptor, file.mode);
  } finally {
    closeSync(descriptor);
  }
}

function pointTo(directory: string, revision: string): void {
  const next = join(directory, NEXT_LINK);
  rmSync(next, { force: true });
  symlinkSync(revision, next);
  renameSync(next, join(directory, DATA_LINK));
}

/** Makes exactly the revision's names visible. Names appear after their files and vanish after them. */
function showNames(directory: string, revision: ReadonlyMap<string, unknown>): void {
  const present = new Set(readdirSync(directory).filter((name) => isOurLink(directory, name)));
  for (const name of revision.keys()) {
    if (!present.has(name)) symlinkSync(`${DATA_LINK}/${name}`, join(directory, name));
  }
  for (const name of present) {
    if (!revision.has(name)) rmSync(join(directory, name));
  }
}

/** Other things may live beside the files, sockets for example; only links into `..data` are ours to remove. */
function isOurLink(directory: string, name: string): boolean {
  try {
    return readlinkSync(join(directory, name)) === `${DATA_LINK}/${name}`;
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return false;
    throw error;
  }
}

function removeRevisions(directory: string, kept: readonly string[]): void {
  for (const name of readdirSync(directory)) {
    const stale = name === NEXT_LINK || (name.startsWith(REVISION_PREFIX) && !kept.includes(name));
    if (stale) rmSync(join(directory, name), { recursive: true, force: true });
  }
}
