// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { isStandIn, runsOn, standIn, undeliverable } from '../../../src/identity/host-module.ts';
import { modulesOf, policyOf } from '../../../src/identity/module-match.ts';
import { aHostModule, aModule, anIdentity, aPod } from '../../fakes/declared.ts';

const device = { metadata: { name: 'line-4', labels: { hall: 'b' } } } as unknown as EdgeDevice;
const module = aHostModule('updater');

describe('a module of the host', () => {
  it.each<[string, object, boolean]>([
    ['every node', { deviceSelector: {} }, true],
    ['nodes by the labels of their EdgeDevice', { deviceSelector: { matchLabels: { hall: 'b' } } }, true],
    ['nodes with other labels', { deviceSelector: { matchLabels: { hall: 'c' } } }, false],
    ['nodes by name', { nodeNames: ['line-3', 'line-4'], deviceSelector: undefined }, true],
    ['other nodes by name', { nodeNames: ['line-3'], deviceSelector: undefined }, false],
  ])('may be declared for %s', (_, host, expected) =>
    expect(runsOn(aHostModule('updater', host), device)).toBe(expected),
  );

  it('runs nowhere without an EdgeDevice, and no more while it is deleted', () => {
    expect(runsOn(module, undefined)).toBe(false);
    const deleted = { ...module, metadata: { ...module.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    expect(runsOn(deleted, device)).toBe(false);
  });

  it('is stood for on each node by a uid of its own, which no pod has', () => {
    const [one, other] = ['line-4', 'line-5'].map((node) => standIn(module, node).metadata.uid);
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(other).not.toBe(one);
    expect(standIn(aHostModule('sensor'), 'line-4').metadata.uid).not.toBe(one);
    expect(isStandIn(standIn(module, 'line-4').metadata.name)).toBe(true);
    expect(isStandIn('node')).toBe(false);
  });

  it('claims what stands for it and no pod, though one carries its name as a label', () => {
    const all = [module, aHostModule('sensor'), aModule('web')];
    expect(modulesOf(standIn(module, 'line-4'), all)).toEqual([module]);
    expect(modulesOf(aPod('pod', { 'keystead.dev/module': 'updater' }), all)).toEqual([]);
    expect(modulesOf(aPod('pod', { 'keystead.dev/module': 'web' }), all)).toHaveLength(1);
  });

  it('has a policy with its unit', () => {
    expect(policyOf(module)).toMatchObject({
      host: { unit: 'updater.service' },
      uidAllowed: 990,
      pod: { owned: false },
    });
  });

  it('gets its identity by folder and socket, and by nothing that needs a pod', () => {
    expect(undeliverable(anIdentity('a', { delivery: ['Volume', 'Socket'] }), true)).toBeUndefined();
    expect(undeliverable(anIdentity('a'), false)).toMatchObject({ reason: 'FolderMissing' });
    expect(undeliverable(anIdentity('a', { delivery: ['Secret'] }), true)).toMatchObject({ reason: 'PodNeeded' });
    const iotEdge = { hubHostName: 'hub', keysSecretName: 'keys' } as never;
    expect(undeliverable(anIdentity('a', { iotEdge }), true)).toMatchObject({ reason: 'PodNeeded' });
  });
});
