// SPDX-License-Identifier: Apache-2.0
/**
 * Generates the checked-in code: the types of the API from `crds/`, and the messages and services of the protocols
 * from `src/gen/proto/`. `node src/build/generate.ts` writes, `--check` only compares and ends with 1 on a difference.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { apiTypes } from './api-types.ts';
import { readCrds } from './crd.ts';
import { bringUpToDate, differences, type GeneratedFolder } from './generated-folder.ts';
import { isProtoCode, protoCode } from './proto-code.ts';

const ROOT = join(import.meta.dirname, '../..');

function generatedFolders(): readonly GeneratedFolder[] {
  return [
    {
      path: 'src/api/v1alpha1',
      isGenerated: (file) => file.endsWith('.ts'),
      files: apiTypes(readCrds('crds'), 'v1alpha1'),
    },
    { path: 'src/gen', isGenerated: isProtoCode, files: protoCode('src/gen/proto', join(ROOT, 'node_modules/.bin')) },
  ];
}

/** Applies `act` to every folder; gives the paths that it names, relative to the repository. */
function pathsOf(act: (folder: GeneratedFolder) => readonly string[]): readonly string[] {
  return generatedFolders().flatMap((folder) => act(folder).map((file) => join(folder.path, file)));
}

function check(): void {
  const paths = pathsOf(differences);
  if (paths.length === 0) return;
  console.error(
    `Generated files differ from what crds/ and src/gen/proto/ say:\n  ${paths.join('\n  ')}\n` +
      'Run `npm run generate` and check the result in.',
  );
  process.exitCode = 1;
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
process.chdir(ROOT);
if (values.check) check();
else pathsOf(bringUpToDate).forEach((path) => console.log(path));
