// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A folder of which some files are generated, and what they should be. */
export interface GeneratedFolder {
  readonly path: string;
  /** Whether a file, by its path in the folder, is generated; others are left alone. */
  readonly isGenerated: (file: string) => boolean;
  /** Content by path in the folder. */
  readonly files: ReadonlyMap<string, string>;
}

/** Generated files, by path in the folder, that are missing, differ or should not be there. Changes nothing. */
export function differences({ path, isGenerated, files }: GeneratedFolder): readonly string[] {
  const present = new Set(filesIn(path).filter(isGenerated));
  const stale = [...present].filter((file) => !files.has(file));
  const changed = [...files]
    .filter(([file, content]) => !present.has(file) || readFileSync(join(path, file), 'utf8') !== content)
    .map(([file]) => file);
  return [...stale, ...changed];
}

/** Makes the folder's generated files what they should be; gives those that it wrote or removed. */
export function bringUpToDate(folder: GeneratedFolder): readonly string[] {
  const files = differences(folder);
  for (const file of files) {
    const path = join(folder.path, file);
    const content = folder.files.get(file);
    if (content === undefined) {
      rmSync(path);
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }
  return files;
}

/** Paths of all files below `folder`; none where it does not exist. */
export function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}
