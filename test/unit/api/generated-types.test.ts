// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { apiTypes } from '../../../src/build/api-types.ts';
import { readCrds, type Schema } from '../../../src/build/crd.ts';
import { bringUpToDate, differences, type GeneratedFolder } from '../../../src/build/generated-folder.ts';
import { SchemaTypes } from '../../../src/build/schema-types.ts';

function typesOf(schema: Schema): string {
  const types = new SchemaTypes();
  types.add('Kind', schema);
  return [...types.imports, ...types.interfaces].join('\n');
}

describe('a type made from a schema', () => {
  it('has optional members, required ones, and ones that the API server fills in', () => {
    const properties = {
      a: { type: 'string' },
      b: { type: 'string' },
      c: { type: 'boolean', default: false },
    } as const;
    expect(typesOf({ type: 'object', required: ['b'], properties })).toBe(
      'export interface Kind {\n  readonly a?: string;\n  readonly b: string;\n  readonly c: boolean;\n}',
    );
  });

  it('has an interface for each object inside, the outer one first', () => {
    const item = { type: 'object', properties: { n: { type: 'integer' } } } as const;
    expect(typesOf({ type: 'object', properties: { images: { type: 'array', items: item } } })).toBe(
      'export interface Kind {\n  readonly images?: readonly KindImage[];\n}\n' +
        'export interface KindImage {\n  readonly n?: number;\n}',
    );
  });

  it('has a union for a closed set, also in a list', () => {
    const items = { type: 'string', enum: ['A', 'B'] } as const;
    expect(typesOf({ type: 'object', properties: { a: items, b: { type: 'array', items } } })).toBe(
      "export interface Kind {\n  readonly a?: 'A' | 'B';\n  readonly b?: readonly ('A' | 'B')[];\n}",
    );
  });

  it('has an index only where unknown fields are passed on, and a record for a map', () => {
    const map = { type: 'object', additionalProperties: { type: 'string' } } as const;
    expect(typesOf({ type: 'object', properties: { map }, 'x-kubernetes-preserve-unknown-fields': true })).toBe(
      'export interface Kind {\n  readonly map?: Readonly<Record<string, string>>;\n  readonly [field: string]: unknown;\n}',
    );
  });

  it('carries descriptions as comments', () => {
    const properties = { a: { type: 'string', description: 'One.\nTwo.' } } as const;
    expect(typesOf({ type: 'object', description: 'It.', properties })).toBe(
      '/** It. */\nexport interface Kind {\n  /**\n   * One.\n   * Two.\n   */\n  readonly a?: string;\n}',
    );
  });
});

describe('the checked-in types', () => {
  it('are those that the CRDs ask for', () => {
    const files = apiTypes(readCrds('crds'), 'v1alpha1');
    expect(differences({ path: 'src/api/v1alpha1', isGenerated: () => true, files })).toEqual([]);
  });
});

describe('a generated folder', () => {
  let folder: GeneratedFolder;
  beforeEach(() => {
    const path = mkdtempSync(join(tmpdir(), 'keystead-generated-'));
    const isGenerated = (file: string): boolean => file.endsWith('.ts');
    folder = { path, isGenerated, files: new Map(Object.entries({ 'a.ts': 'a', 'b/c.ts': 'c' })) };
    writeFileSync(join(path, 'a.ts'), 'changed by hand');
    writeFileSync(join(path, 'old.ts'), '');
    writeFileSync(join(path, 'notes.md'), '');
  });
  afterEach(() => rmSync(folder.path, { recursive: true }));

  it('names what is stale, what differs and what is missing, and no other file', () => {
    expect(differences(folder)).toEqual(['old.ts', 'a.ts', 'b/c.ts']);
  });

  it('is brought up to date, and then does not differ', () => {
    bringUpToDate(folder);
    expect(differences(folder)).toEqual([]);
    expect(readFileSync(join(folder.path, 'b/c.ts'), 'utf8')).toBe('c');
    expect(readFileSync(join(folder.path, 'notes.md'), 'utf8')).toBe('');
  });

  it('differs wholly where it does not exist', () => {
    expect(differences({ ...folder, path: join(folder.path, 'absent') })).toEqual(['a.ts', 'b/c.ts']);
  });
});
