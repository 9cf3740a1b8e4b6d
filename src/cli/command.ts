// SPDX-License-Identifier: Apache-2.0
import type { parseArgs } from 'node:util';
import type { CliPorts } from './port.ts';

/** Options as `parseArgs` of node:util takes them, with what the help says of each. */
export type OptionTable = Readonly<Record<string, Option>>;

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

export type Values = Readonly<Record<string, string | boolean | undefined>>;

/** What the process ends with. `Attention`: something is not as it should be. `Failure`: something is wrong. */
export const EXIT = { Ok: 0, Attention: 1, Failure: 2, Usage: 64 } as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

export interface Invocation extends CliPorts {
  readonly values: Values;
  readonly positionals: readonly string[];
}

/** One command of the program. */
export interface Command {
  /** As it is typed, for example `audit verify`. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name in the usage line, without options. */
  readonly operands?: string;
  /** More for its help: examples, exit codes. */
  readonly details?: string;
  readonly options: OptionTable;
  readonly run: (invocation: Invocation) => Promise<Exit>;
}

/** A command line that cannot be understood; the message says what to type instead. */
export class UsageError extends Error {}

export const JSON_OPTION = {
  json: { type: 'boolean', help: 'print JSON, for programs' },
} as const satisfies OptionTable;
export const CLUSTER_OPTIONS = {
  kubeconfig: { type: 'string', value: 'FILE', help: 'kubeconfig to use; default: KUBECONFIG, then ~/.kube/config' },
} as const satisfies OptionTable;
export const NAMESPACE_OPTION = {
  namespace: { type: 'string', short: 'n', value: 'NS', help: "namespace; default: that of the kubeconfig's context" },
} as const satisfies OptionTable;
export const SYSTEM_OPTION = {
  'system-namespace': {
    type: 'string',
    value: 'NS',
    help: 'where Keystead is installed; default: looked for everywhere',
  },
} as const satisfies OptionTable;

/** A string value; undefined where it was not given. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export type ParseOptions = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;
