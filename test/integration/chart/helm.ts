// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { load, loadAll } from 'js-yaml';
import { readLab } from '../../lab/index.ts';

const execute = promisify(execFile);

export const CHART = resolve(import.meta.dirname, '../../../charts/keystead');

/** Any object that the chart renders. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Runs the lab's helm. An error's message is what helm said. */
export async function helm(args: readonly string[], input = ''): Promise<string> {
  const { helm: program, kubeconfig } = readLab();
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const running = execute(program, args, { env, maxBuffer: 64 * 1024 * 1024 });
  running.child.stdin?.end(input);
  try {
    return (await running).stdout;
  } catch (error) {
    throw new Error((error as { stderr: string }).stderr, { cause: error });
  }
}

/** What `helm template` makes of the chart with these values. */
export async function render(values: object = {}, namespace = 'system', release = 'keystead'): Promise<Rendered[]> {
  const text = await helm(['template', release, CHART, '-n', namespace, '-f', '-'], JSON.stringify(values));
  return loadAll(text).filter((document) => document !== null && document !== undefined) as Rendered[];
}

/** The one object of that kind, and name where there are several. */
export function only(objects: readonly Rendered[], kind: string, name?: string): Rendered {
  const found = objects.filter(
    (object) => object.kind === kind && (name ?? object.metadata.name) === object.metadata.name,
  );
  if (found.length !== 1) throw new Error(`expected one ${kind} ${name ?? ''}, found ${found.length}`);
  return found[0] as Rendered;
}

/** A file of the chart that is plain YAML. */
export function parse(text: string): unknown {
  return load(text);
}

export const chartFile = (...path: string[]): string => join(CHART, ...path);
