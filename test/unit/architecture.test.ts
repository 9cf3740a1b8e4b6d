// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Static imports of a source file; relative ones resolved to a path from the root. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const pattern = /^(?:import|export)\s+(type\s+)?[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm;
  return [...text.matchAll(pattern)].map((match) => {
    const target = match[2] ?? match[3] ?? match[4] ?? '';
    const to = target.startsWith('.') ? normalize(join(dirname(file), target)) : target;
    return { from: file, to, typeOnly: match[1] !== undefined };
  });
}

const files = globSync('{src,controllers}/**/*.ts', { cwd: ROOT }).filter((file) => !file.startsWith('src/build/'));
const imports = files.flatMap(importsOf);
const values = imports.filter((edge) => !edge.typeOnly);

/** `src/attest/decide.ts` -> `attest`; files directly under src are leaves and have no domain. */
const domainOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1];
const show = (edges: readonly Import[]): string[] => edges.map((edge) => `${edge.from} -> ${edge.to}`);

/** Domains that any domain may use by value: they know nothing of Keystead's purpose or are pure vocabulary. */
const FOUNDATIONS = new Set(['os', 'api', 'gen', 'grpc']);
/** Pure domains (no I/O of their own) that others may use by value. */
const PURE = new Set(['issue', 'identity', 'integrity', 'tpm']);

describe('layers', () => {
  it('finds the sources', () => expect(files.length).toBeGreaterThan(20));

  it('only bin reads the environment and the arguments', () => {
    const readers = files.filter((file) => /process\.(env|argv)/.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(readers.filter((file) => !file.startsWith('src/bin/'))).toEqual([]);
  });

  it('nothing imports a composition root', () => {
    expect(show(imports.filter((edge) => edge.to.startsWith('src/bin/') && !edge.from.startsWith('src/bin/')))).toEqual(
      [],
    );
  });

  it('only bin and controllers import controllers', () => {
    const wrong = imports.filter(
      (edge) => edge.to.startsWith('controllers/') && !/^(src\/bin|controllers)\//.test(edge.from),
    );
    expect(show(wrong)).toEqual([]);
  });

  it('a domain uses another domain by type only', () => {
    const wrong = values.filter((edge) => {
      const from = domainOf(edge.from);
      const to = domainOf(edge.to);
      if (from === undefined || to === undefined || from === to || from === 'bin') return false;
      return !FOUNDATIONS.has(to) && !PURE.has(to);
    });
    expect(show(wrong)).toEqual([]);
  });

  it('os and kube know no domain', () => {
    const wrong = imports.filter((edge) => {
      const from = domainOf(edge.from);
      const to = domainOf(edge.to);
      return (from === 'os' || from === 'kube') && to !== undefined && to !== from && to !== 'os' && to !== 'api';
    });
    expect(show(wrong)).toEqual([]);
  });

  it.each([
    ['koffi', /^src\/os\//],
    ['pkcs11js', /^src\/notary\/root-of-trust\/pkcs11\//],
    ['@kubernetes/client-node', /^src\/kube\//],
    ['@grpc/grpc-js', /^src\/(grpc|deliver\/csi|runtime|workload)\//],
  ])('%s is used in one place', (library, allowed) => {
    expect(show(values.filter((edge) => edge.to === library && !allowed.test(edge.from)))).toEqual([]);
  });

  it('only os calls the C library', () => {
    const wrong = values.filter((edge) => edge.to === 'src/os/libc.ts' && domainOf(edge.from) !== 'os');
    expect(show(wrong)).toEqual([]);
  });

  it('the notary knows neither Kubernetes nor gRPC nor other processes', () => {
    const reachable = closure('src/bin/notary.ts');
    const forbidden = [...reachable].filter((path) =>
      /^(src\/(kube|grpc|gen|runtime|deliver|attest|bin\/(agent|controller))\b|controllers\/|@kubernetes|@grpc)/.test(
        path,
      ),
    );
    expect(forbidden).toEqual([]);
  });

  it('controllers do no I/O of their own', () => {
    const wrong = values.filter(
      (edge) => edge.from.startsWith('controllers/') && /^node:(fs|net|http|child_process)/.test(edge.to),
    );
    expect(show(wrong)).toEqual([]);
  });
});

/** All that a file reaches by value imports. */
function closure(start: string): Set<string> {
  const seen = new Set<string>([start]);
  for (const file of seen) {
    for (const edge of values) if (edge.from === file) seen.add(edge.to);
  }
  return seen;
}
