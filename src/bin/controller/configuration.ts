// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { load } from 'js-yaml';
import type { DeviceTemplate } from '../../../controllers/edge-device.ts';
import type { LabelSelector } from '../../api/label-selector.ts';
import type { EdgeDevice, TrustBundle } from '../../api/v1alpha1/index.ts';
import { asKeysteadError, KeysteadError } from '../../errors.ts';

/** How the controller is set up; every entry is an environment variable that the chart sets. */
export interface ControllerConfiguration {
  /** KEYSTEAD_NAMESPACE: where the Lease lies; default the service account's or kubeconfig's namespace. */
  readonly namespace: string | undefined;
  /** KEYSTEAD_POD_NAME: names this process among the candidates and in Events; default the host's name. */
  readonly instance: string | undefined;
  /** KEYSTEAD_LEASE, default keystead-controller. */
  readonly lease: string;
  /** KEYSTEAD_HEALTH_PORT, default 9464. */
  readonly healthPort: number;
  /** KEYSTEAD_LOG_LEVEL, default info. */
  readonly logLevel: string;
  /** KEYSTEAD_CONCURRENCY, default 4: objects of one kind worked on at once. */
  readonly concurrency: number;
  /**
   * KEYSTEAD_DEVICE_TEMPLATE: file with an EdgeDevice whose spec every node gets that has no EdgeDevice;
   * KEYSTEAD_DEVICE_NODES: labels of these nodes as `name=value,…`, default all nodes.
   */
  readonly device: DeviceTemplate | undefined;
  /** KEYSTEAD_TRUST_BUNDLE_TEMPLATE: file with a TrustBundle that is made where it is missing. */
  readonly trustBundle: TrustBundle | undefined;
}

/** Reads environment and files. @throws KeysteadError `InvalidConfiguration` that names the variable and what it must be. */
export async function controllerConfiguration(env: NodeJS.ProcessEnv): Promise<ControllerConfiguration> {
  const device = await template<EdgeDevice>(env, 'KEYSTEAD_DEVICE_TEMPLATE', 'EdgeDevice');
  const trustBundle = await template<TrustBundle>(env, 'KEYSTEAD_TRUST_BUNDLE_TEMPLATE', 'TrustBundle');
  if (trustBundle && !trustBundle.metadata.name) {
    throw invalid('KEYSTEAD_TRUST_BUNDLE_TEMPLATE', 'names a TrustBundle without metadata.name');
  }
  return {
    namespace: env['KEYSTEAD_NAMESPACE'],
    instance: env['KEYSTEAD_POD_NAME'],
    lease: env['KEYSTEAD_LEASE'] ?? 'keystead-controller',
    healthPort: integer(env, 'KEYSTEAD_HEALTH_PORT', { fallback: 9464, least: 0, most: 65_535 }),
    logLevel: env['KEYSTEAD_LOG_LEVEL'] ?? 'info',
    concurrency: integer(env, 'KEYSTEAD_CONCURRENCY', { fallback: 4, least: 1, most: 64 }),
    device: device && { nodes: nodeLabels(env['KEYSTEAD_DEVICE_NODES'] ?? ''), spec: device.spec },
    trustBundle,
  };
}

async function template<T extends { kind: string; spec: unknown }>(
  env: NodeJS.ProcessEnv,
  variable: string,
  kind: T['kind'],
): Promise<T | undefined> {
  const path = env[variable] ?? '';
  if (path === '') return undefined;
  let object: Partial<T> | undefined;
  try {
    object = load(await readFile(path, 'utf8')) as Partial<T> | undefined;
  } catch (thrown) {
    throw invalid(variable, `is ${path}, which cannot be read: ${asKeysteadError(thrown).message}`);
  }
  if (object?.kind !== kind || typeof object.spec !== 'object') {
    throw invalid(variable, `is ${path}, which must hold one ${kind} with a spec`);
  }
  return object as T;
}

function nodeLabels(text: string): LabelSelector {
  const pairs = text.split(',').filter((part) => part.trim() !== '');
  const matchLabels = pairs.map((part) => {
    const [name = '', value, ...rest] = part.trim().split('=');
    if (name === '' || value === undefined || rest.length > 0) {
      throw invalid('KEYSTEAD_DEVICE_NODES', `holds "${part}", which is not name=value`);
    }
    return [name, value] as const;
  });
  return { matchLabels: Object.fromEntries(matchLabels) };
}

function integer(
  env: NodeJS.ProcessEnv,
  variable: string,
  { fallback, least, most }: { fallback: number; least: number; most: number },
): number {
  const value = Number(env[variable] ?? fallback);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(variable, `is "${env[variable] ?? ''}", which is not a whole number from ${least} to ${most}`);
}

function invalid(variable: string, what: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `${variable} ${what}.`);
}
