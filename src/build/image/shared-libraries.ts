// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A shared library under the path at which the loader looks for it, and the file that holds its bytes. */
export interface SharedLibrary {
  readonly path: string;
  readonly source: string;
}

/** Everything that the given ELF files need at run time, the program loader included, as this machine resolves it. */
export async function sharedLibraries(files: readonly string[]): Promise<SharedLibrary[]> {
  const paths = new Set<string>();
  for (const file of files) {
    const { stdout } = await run('ldd', [file]).catch((error: unknown) => {
      throw new Error(`ldd ${file} failed; is it a program or library for this machine?`, { cause: error });
    });
    for (const path of parseLdd(file, stdout)) paths.add(path);
  }
  return Promise.all([...paths].sort().map(async (path) => ({ path, source: await realpath(path) })));
}

/** Paths in the output of ldd. Throws where a library was not found; the kernel's vdso is no file. */
export function parseLdd(file: string, output: string): string[] {
  const missing = /^\s*(\S+) => not found/m.exec(output)?.[1];
  if (missing)
    throw new Error(`${file} needs ${missing}, which this machine does not have: install it, then build again`);
  return output.split('\n').flatMap((line) => {
    const path = /=>\s+(\/\S+)/.exec(line)?.[1] ?? /^\s*(\/\S+) \(0x/.exec(line)?.[1];
    return path ? [path] : [];
  });
}
