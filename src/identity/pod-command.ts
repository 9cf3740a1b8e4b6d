// SPDX-License-Identifier: Apache-2.0
import type { PodCommand } from '../attest/port.ts';

/** The parts of a container in a pod spec that say what is started in it. */
export interface CommandedContainer {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string }[];
}

/** What a container is started with, as its spec says it, with the variables that `$(NAME)` in it stands for. */
export function podCommand({ command = [], args = [], env = [] }: CommandedContainer): PodCommand {
  const named = new Set([...command, ...args].flatMap((text) => [...text.matchAll(REFERENCE)].map(([, name]) => name)));
  const variables = env.filter(({ name }) => named.has(name)).map((entry) => [entry.name, ordered(entry)] as const);
  return { command, args, variables: Object.fromEntries(variables) };
}

const REFERENCE = /\$\(([^()$]+)\)/g;

/** JSON that is the same in whatever order the fields come. */
function ordered(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
