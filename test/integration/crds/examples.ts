// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { Example } from './cluster.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/examples');

/** Names of the valid examples, one a file. */
export const EXAMPLES: readonly string[] = readdirSync(FOLDER)
  .map((file) => file.replace(/\.yaml$/, ''))
  .sort();

/** A valid example, put into a namespace and given a name that no other object in the cluster has. */
export function readExample(name: string, namespace: string): Example {
  const example = load(readFileSync(join(FOLDER, `${name}.yaml`), 'utf8')) as Example;
  return { ...example, metadata: { ...example.metadata, name: `${namespace}-${example.metadata.name}`, namespace } };
}
