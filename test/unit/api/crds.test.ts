// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readCrds, type Schema } from '../../../src/build/crd.ts';

/** Conventions that the API server does not ask for. */
interface Conventions extends Schema {
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly maxProperties?: number;
  readonly format?: string;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Conventions>>;
  readonly items?: Conventions;
  readonly additionalProperties?: Conventions;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message?: string }[];
}

const STANDARD = ['.apiVersion', '.kind', '.metadata'];

function* walk(schema: Conventions, path: string): Generator<[path: string, schema: Conventions]> {
  yield [path, schema];
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield* walk(property, `${path}.${name}`);
  if (schema.items !== undefined) yield* walk(schema.items, `${path}[]`);
  if (schema.additionalProperties !== undefined) yield* walk(schema.additionalProperties, `${path}{}`);
}

describe.each(readCrds('crds').map((crd) => [crd.spec.names.kind, crd] as const))('the schema of %s', (_kind, crd) => {
  const schemas = crd.spec.versions
    .flatMap((version) => [...walk(version.schema.openAPIV3Schema, '')])
    .filter(([path]) => !STANDARD.includes(path));
  const pathsWhere = (isWrong: (schema: Conventions) => boolean): string[] =>
    schemas.filter(([, schema]) => isWrong(schema)).map(([path]) => path);

  it('describes every field in whole sentences', () => {
    expect(pathsWhere(({ description }) => description?.trim().endsWith('.') !== true)).toEqual([]);
  });

  it('bounds every list and says how it is merged', () => {
    const isWrong = (schema: Conventions): boolean =>
      schema.type === 'array' && (schema.maxItems === undefined || schema['x-kubernetes-list-type'] === undefined);
    expect(pathsWhere(isWrong)).toEqual([]);
  });

  it('bounds every text', () => {
    const isWrong = ({ type, enum: values, format, maxLength }: Conventions): boolean =>
      type === 'string' && values === undefined && format === undefined && maxLength === undefined;
    expect(pathsWhere(isWrong)).toEqual([]);
  });

  it('bounds every map', () => {
    expect(pathsWhere((s) => s.additionalProperties !== undefined && s.maxProperties === undefined)).toEqual([]);
  });

  it('gives the width of every integer', () => {
    expect(pathsWhere((s) => s.type === 'integer' && s.format === undefined)).toEqual([]);
  });

  it('says in words what each rule asks for', () => {
    const isWrong = (schema: Conventions): boolean =>
      schema['x-kubernetes-validations']?.some(({ message }) => message === undefined) === true;
    expect(pathsWhere(isWrong)).toEqual([]);
  });
});
