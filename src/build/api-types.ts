// SPDX-License-Identifier: Apache-2.0
import type { Crd, CrdVersion } from './crd.ts';
import { SchemaTypes } from './schema-types.ts';

const NOTICE = [
  '// SPDX-License-Identifier: Apache-2.0',
  '// Generated from crds/ by `npm run generate`; changes made here are lost.',
  '',
].join('\n');

/** Properties that every object has; their types are more exact than the schema's. */
const STANDARD: readonly string[] = ['apiVersion', 'kind', 'metadata'];

/** The source files of the types of one API version, by file name: one for each kind and an index. */
export function apiTypes(crds: readonly Crd[], version: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const kinds = crds.flatMap((crd) => crd.spec.versions.filter((v) => v.name === version).map((v) => ({ crd, v })));
  for (const { crd, v } of kinds) files.set(fileName(crd), kindFile(crd, v));
  files.set('index.ts', indexFile(kinds.map(({ crd }) => crd)));
  return files;
}

function kindFile(crd: Crd, version: CrdVersion): string {
  const { kind } = crd.spec.names;
  const schema = version.schema.openAPIV3Schema;
  const own = Object.entries(schema.properties ?? {}).filter(([key]) => !STANDARD.includes(key));
  const types = new SchemaTypes();
  types.add(kind, { ...schema, properties: Object.fromEntries(own) }, [
    `  readonly apiVersion: '${crd.spec.group}/${version.name}';`,
    `  readonly kind: '${kind}';`,
    '  readonly metadata: ObjectMeta;',
  ]);
  const imports = [...types.imports, "import type { ObjectMeta } from '../object-meta.ts';"].join('\n');
  return `${[`${NOTICE}${imports}`, ...types.interfaces].join('\n\n')}\n`;
}

function indexFile(crds: readonly Crd[]): string {
  const imports = crds.map((crd) => `import type { ${crd.spec.names.kind} } from './${fileName(crd)}';`);
  const exports = crds.map((crd) => `export type * from './${fileName(crd)}';`);
  const rows = crds.map(
    ({ spec }) =>
      `  ${spec.names.kind}: { plural: '${spec.names.plural}', namespaced: ${String(spec.scope === 'Namespaced')} },`,
  );
  const kinds = crds.map(({ spec }) => `  readonly ${spec.names.kind}: ${spec.names.kind};`);
  return `${NOTICE}${[
    [...imports, ...exports].join('\n'),
    `/** How the API server names each kind, and whether its objects lie in namespaces. */\nexport const RESOURCES = {\n${rows.join('\n')}\n} as const;`,
    'export type Kind = keyof typeof RESOURCES;',
    `/** The type of each kind's objects. */\nexport interface Objects {\n${kinds.join('\n')}\n}`,
  ].join('\n\n')}\n`;
}

/** EdgeDevice -> edge-device.ts */
function fileName(crd: Crd): string {
  return `${crd.spec.names.kind.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.ts`;
}
