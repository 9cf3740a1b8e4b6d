// SPDX-License-Identifier: Apache-2.0
import { sampleManifest, type ManifestValues } from '../samples/manifests.ts';
import { reference, type DemoImages } from './images.ts';
import { TRUST_DOMAIN } from './install.ts';
import type { Kubectl } from './kubectl.ts';
import type { Target } from './target.ts';

export const DEMO_NAMESPACE = 'keystead-demo';
/** The two modules, each the other's peer. */
export const MODULES = ['hello', 'world'] as const;
export type ModuleName = (typeof MODULES)[number];

export function peerOf(module: ModuleName): ModuleName {
  return module === 'hello' ? 'world' : 'hello';
}

/** The SPIFFE ID that a module of the demonstration is to have. */
export function expectedId(module: ModuleName): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${DEMO_NAMESPACE}/module/${module}`;
}

/** Declares the two modules. An impostor of an earlier run goes first: it would stand among hello's pods. */
export async function applyModules({ kubectl }: Target, images: DemoImages): Promise<void> {
  await removeImpostor(kubectl);
  await kubectl.apply(await sampleManifest('namespace', manifestValues(images)));
  await kubectl.apply(await sampleManifest('modules', manifestValues(images)));
}

/** Starts the pod that claims to be hello and is not. */
export async function applyImpostor({ kubectl }: Target, images: DemoImages): Promise<void> {
  await removeImpostor(kubectl);
  await kubectl.apply(await sampleManifest('impostor', manifestValues(images)));
}

async function removeImpostor(kubectl: Kubectl): Promise<void> {
  await kubectl.run(['-n', DEMO_NAMESPACE, 'delete', 'pod', 'impostor', '--ignore-not-found', '--timeout=60s']);
}

/** Removes the demonstration's namespace, while the controller still runs to let go of its finalizers. */
export async function removeDemo({ kubectl }: Target): Promise<void> {
  await kubectl.run(['delete', 'namespace', DEMO_NAMESPACE, '--ignore-not-found', '--timeout=120s']);
}

function manifestValues(images: DemoImages): ManifestValues {
  return {
    NAMESPACE: DEMO_NAMESPACE,
    TRUST_DOMAIN,
    GREETER_IMAGE: reference(images, 'greeter'),
    IMPOSTOR_IMAGE: reference(images, 'impostor'),
  };
}
