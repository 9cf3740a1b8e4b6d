// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { apiTypes } from './api-types.ts';
import { readCrds } from './crd.ts';
import { protoCode } from './proto-code.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A folder whose files of one kind are all generated. */
interface Target {
  readonly folder: string;
  /** Which files in the folder are generated; others are left alone. */
  readonly isGenerated: (file: string) => boolean;
  readonly files: ReadonlyMap<string, string>;
}

function targets(): readonly Target[] {
  const gen = join(ROOT, 'src/gen');
  return [
    {
      folder: join(ROOT, 'src/api/v1alpha1'),
      isGenerated: (file) => file.endsWith('.ts'),
      files: apiTypes(readCrds(join(ROOT, 'crds')), 'v1alpha1'),
    },
    {
      folder: gen,
      isGenerated: (file) => /_pb\.(js|d\.ts)$/.test(file),
      files: protoCode(join(gen, 'proto'), join(ROOT, 'node_modules/.bin')),
    },
  ];
}

/** Paths of generated files that are missing, differ, or should not be there. */
function differences({ folder, isGenerated, files }: Target): readonly string[] {
  const present = existing(folder).filter(isGenerated);
  const stale = present.filter((file) => !files.has(file));
  const changed = [...files].filter(
    ([file, content]) => !present.includes(file) || readFileSync(join(folder, file), 'utf8') !== content,
  );
  return [...stale, ...changed.map(([file]) => file)].map((file) => join(folder, file));
}

function existing(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder, { recursive: true, encoding: 'utf8' });
}

function write(target: Target): void {
  for (const path of differences(target)) {
    const content = target.files.get(relative(target.folder, path));
    mkdirSync(dirname(path), { recursive: true });
    if (content === undefined) rmSync(path);
    else writeFileSync(path, content);
    console.log(`${content === undefined ? 'removed' : 'wrote'} ${relative(ROOT, path)}`);
  }
}

function check(all: readonly Target[]): void {
  const paths = all.flatMap(differences).map((path) => relative(ROOT, path));
  if (paths.length === 0) return;
  console.error(
    `These generated files differ from what crds/ and src/gen/proto/ say:\n  ${paths.join('\n  ')}\n` +
      'Run `npm run generate` and commit the result.',
  );
  process.exitCode = 1;
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (values.check) check(targets());
else targets().forEach(write);
