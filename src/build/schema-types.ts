// SPDX-License-Identifier: Apache-2.0
import type { Schema } from './crd.ts';

/** Types that every kind shares; they are written by hand and imported where a schema has their shape. */
const SHARED: readonly SharedType[] = [
  { name: 'Condition', module: '../conditions.ts', members: ['lastTransitionTime', 'reason', 'status', 'type'] },
  { name: 'LabelSelector', module: '../label-selector.ts', members: ['matchExpressions', 'matchLabels'] },
];

interface SharedType {
  readonly name: string;
  readonly module: string;
  /** A schema that has all of these properties is this type. */
  readonly members: readonly string[];
}

/** TypeScript made from one schema: interfaces, the outermost first, and the shared types that they use. */
export class SchemaTypes {
  readonly #interfaces: string[] = [];
  readonly #imports = new Map<string, string>();

  /** The imports that the interfaces need, sorted. */
  get imports(): readonly string[] {
    return [...this.#imports].sort().map(([name, module]) => `import type { ${name} } from '${module}';`);
  }

  get interfaces(): readonly string[] {
    return this.#interfaces;
  }

  /**
   * Adds an interface `name` for an object schema, and those of the objects inside it. A property is optional
   * unless it is required or has a default, since the API server fills defaults in whenever an object is read.
   */
  add(name: string, schema: Schema, head: readonly string[] = []): void {
    const place = this.#interfaces.push('') - 1;
    const lines = Object.entries(schema.properties ?? {}).flatMap(([key, property]) => [
      ...comment(property.description, '  '),
      `  readonly ${key}${isPresent(schema, key) ? '' : '?'}: ${this.#typeOf(name + capitalised(key), property)};`,
    ]);
    const rest = schema['x-kubernetes-preserve-unknown-fields'] === true ? [UNKNOWN_FIELDS] : [];
    const body = [...head, ...lines, ...rest];
    const members = body.length > 0 ? `{\n${body.join('\n')}\n}` : '{}';
    this.#interfaces[place] = [...comment(schema.description, ''), `export interface ${name} ${members}`].join('\n');
  }

  #typeOf(name: string, schema: Schema): string {
    switch (schema.type) {
      case 'object':
        return this.#objectType(name, schema);
      case 'array':
        return `readonly ${this.#elementType(name, schema)}[]`;
      case 'integer':
      case 'number':
        return 'number';
      case 'boolean':
        return 'boolean';
      case 'string':
        return schema.enum?.map((value) => `'${value}'`).join(' | ') ?? 'string';
      default:
        return 'unknown';
    }
  }

  #objectType(name: string, schema: Schema): string {
    if (schema.additionalProperties !== undefined) {
      return `Readonly<Record<string, ${this.#typeOf(name, schema.additionalProperties)}>>`;
    }
    const shared = SHARED.find((type) => type.members.every((member) => schema.properties?.[member] !== undefined));
    if (shared !== undefined) {
      this.#imports.set(shared.name, shared.module);
      return shared.name;
    }
    this.add(name, schema);
    return name;
  }

  #elementType(name: string, schema: Schema): string {
    const type = this.#typeOf(name.replace(/s$/, ''), schema.items ?? {});
    return type.includes(' ') ? `(${type})` : type;
  }
}

/** Only what is declared has a type; the rest is passed on unread. */
const UNKNOWN_FIELDS = '  readonly [field: string]: unknown;';

function isPresent(parent: Schema, key: string): boolean {
  return parent.required?.includes(key) === true || parent.properties?.[key]?.default !== undefined;
}

function comment(text: string | undefined, indent: string): string[] {
  if (text === undefined) return [];
  const lines = text.trim().split('\n');
  if (lines.length === 1) return [`${indent}/** ${lines.join('')} */`];
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}

export function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
