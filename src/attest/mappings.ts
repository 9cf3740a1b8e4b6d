// SPDX-License-Identifier: Apache-2.0
import { parseExecutableMemory, type ExecutableMapping } from '../os/proc-format.ts';
import { changedPagesOf, ProcessGone } from '../os/proc.ts';
import { codeOrigin, type CodeFile } from './code-origin.ts';
import { memoryMap } from './memory-map.ts';
import type { NodeFiles, RootFileSystem, Untraceable } from './root-file-system.ts';

/** How often the list of mappings is read anew when one of them goes away between list and look. */
const ATTEMPTS = 3;

/** The code that a process has in its memory. */
export interface MappedCode {
  /** Files that are mapped executable, each once. */
  readonly files: readonly CodeFile[];
  /** Bytes of executable memory without a file. */
  readonly anonymousBytes: number;
}

/**
 * The code that a process has mapped. A program that loads and unloads code without pause is looked at three times; what
 * was gone again then is named `unprovable`. Throws ProcessGone.
 */
export function mappedCode(pid: number, root: RootFileSystem | Untraceable | NodeFiles): MappedCode {
  let code = lookAt(pid, root);
  for (let attempt = 1; attempt < ATTEMPTS && code.files.some(isLost); attempt++) code = lookAt(pid, root);
  return code;
}

const LOST = 'it was unmapped again while it was looked at';

function isLost(file: CodeFile): boolean {
  return file.detail === LOST;
}

/** Files and octets of code that are looked through at most: some ten times what the largest programs have. */
const MOST_FILES = 4_096;
const MOST_BYTES = 4 * 2 ** 30;

/** Stands for code that is so much that to look at it would keep the node's other modules waiting. */
const TOO_MUCH: MappedCode = {
  files: [{ path: '(all of it)', origin: 'unprovable', detail: 'it is more than is looked through', changedPages: 1 }],
  anonymousBytes: 0,
};

function lookAt(pid: number, root: RootFileSystem | Untraceable | NodeFiles): MappedCode {
  const maps = memoryMap(pid);
  if (maps === undefined) return TOO_MUCH;
  const { files, anonymousBytes } = parseExecutableMemory(maps);
  if (isTooMuch(files)) return TOO_MUCH;
  const privately = files.filter((mapping) => mapping.private).map(({ range }) => range);
  const changed = privately.length === 0 ? [] : changedPagesOf(pid, privately);
  const changedAt = new Map(privately.map((range, at) => [range, changed[at] ?? 0]));
  const byFile = Map.groupBy(files, ({ file, path }) => `${file} ${path}`);
  return { files: [...byFile.values()].map((mappings) => fileOf(pid, mappings, { root, changedAt })), anonymousBytes };
}

function isTooMuch(files: readonly ExecutableMapping[]): boolean {
  const bytes = files.reduce((sum, { range }) => sum + lengthOf(range), 0);
  return bytes > MOST_BYTES || new Set(files.map(({ file, path }) => `${file} ${path}`)).size > MOST_FILES;
}

function lengthOf(range: string): number {
  const [start = '0', end = '0'] = range.split('-');
  return Number(BigInt(`0x${end}`) - BigInt(`0x${start}`));
}

interface Looked {
  readonly root: RootFileSystem | Untraceable | NodeFiles;
  /** Changed pages by range of the mapping. */
  readonly changedAt: ReadonlyMap<string, number>;
}

/** One file by its mappings, of which there is at least one. */
function fileOf(pid: number, mappings: readonly ExecutableMapping[], { root, changedAt }: Looked): CodeFile {
  const [{ range, path } = { range: '', path: '' }] = mappings;
  try {
    const file = codeOrigin(pid, `map_files/${range}`, root);
    const changed = mappings.reduce((pages, mapping) => pages + (changedAt.get(mapping.range) ?? 0), 0);
    return changed === 0 ? file : { ...file, changedPages: changed };
  } catch (error) {
    if (error instanceof ProcessGone) return { path, origin: 'unprovable', detail: LOST };
    throw error;
  }
}
