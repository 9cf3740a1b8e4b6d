// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { filesIn } from './generated-folder.ts';

/** Whether a file is generated from a .proto file, by its name. */
export const isProtoCode = (file: string): boolean => /_pb\.(js|d\.ts)$/.test(file);

/**
 * The code generated from the .proto files below `protos`, by path relative to the output folder. `programs` is the
 * folder that holds buf and its plugin. Works without network; leaves nothing behind.
 */
export function protoCode(protos: string, programs: string): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-proto-'));
  try {
    execFileSync(join(programs, 'buf'), ['generate', '--output', folder], {
      cwd: protos,
      env: { ...process.env, PATH: [programs, process.env['PATH']].join(delimiter) },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const files = filesIn(folder).filter(isProtoCode);
    return new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
