// SPDX-License-Identifier: Apache-2.0
import { parseExecutableMappings } from '../os/proc-format.ts';
import { ProcessGone, readProc } from '../os/proc.ts';
import { codeOrigin, type CodeFile } from './code-origin.ts';
import type { RootFileSystem, Untraceable } from './root-file-system.ts';

/** How often the list of mappings is read anew when one of them goes away between list and look. */
const ATTEMPTS = 3;

/**
 * The files that a process has mapped executable, each once. A program that loads and unloads code without pause is
 * looked at three times; what was gone again then is named `unprovable`. Throws ProcessGone.
 */
export function mappedCode(pid: number, root: RootFileSystem | Untraceable): CodeFile[] {
  let files = lookAt(pid, root);
  for (let attempt = 1; attempt < ATTEMPTS && files.some(isLost); attempt++) files = lookAt(pid, root);
  return files;
}

const LOST = 'it was unmapped again while it was looked at';

function isLost(file: CodeFile): boolean {
  return file.detail === LOST;
}

function lookAt(pid: number, root: RootFileSystem | Untraceable): CodeFile[] {
  const mappings = parseExecutableMappings(readProc(pid, 'maps'));
  const files = new Map(mappings.map((mapping) => [`${mapping.file} ${mapping.path}`, mapping]));
  return [...files.values()].map(({ range, path }) => {
    try {
      return codeOrigin(pid, `map_files/${range}`, root);
    } catch (error) {
      if (error instanceof ProcessGone) return { path, origin: 'unprovable', detail: LOST };
      throw error;
    }
  });
}
