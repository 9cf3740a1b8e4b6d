// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { MODULE_LABEL } from '../../../src/api/names.ts';
import type { LabelSelector } from '../../../src/api/label-selector.ts';
import { selects } from '../../../src/identity/label-selector.ts';
import { digestsOf, modulesOf, policyOf } from '../../../src/identity/module-match.ts';
import { hasEnded, podEvidence } from '../../../src/identity/pod-evidence.ts';
import { PROCESS } from '../../fakes/declared.ts';
import { aModule, aPod, DIGEST, OTHER_DIGEST } from '../../fakes/agent.ts';

const selecting = (name: string, matchLabels: Record<string, string>) => {
  const module = aModule({ selector: { matchLabels }, images: [{ digest: OTHER_DIGEST }] });
  const { template: _template, ...spec } = module.spec;
  return { ...module, metadata: { ...module.metadata, name }, spec };
};

describe('modules that claim a pod', () => {
  it('are template modules by the label that the controller writes', () => {
    expect(modulesOf(aPod(), [aModule()])).toHaveLength(1);
    expect(modulesOf(aPod({ labels: { [MODULE_LABEL]: 'other' } }), [aModule()])).toEqual([]);
  });

  it('are selector modules by their selector, several at once', () => {
    const modules = [selecting('a', { app: 'x' }), selecting('b', { app: 'x' }), selecting('c', { app: 'y' })];
    expect(modulesOf(aPod({ labels: { app: 'x' } }), modules).map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
  });

  it('are never those of another namespace or those being deleted', () => {
    const elsewhere = { ...aModule(), metadata: { ...aModule().metadata, namespace: 'bank' } };
    const going = { ...aModule(), metadata: { ...aModule().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    expect(modulesOf(aPod(), [elsewhere, going])).toEqual([]);
  });
});

describe('the digests that a module allows', () => {
  it('are those of images and of its own pinned container', () => {
    expect(digestsOf(aModule({ images: [{ digest: OTHER_DIGEST }] }))).toEqual([OTHER_DIGEST, DIGEST]);
  });

  it('do not include that of a sidecar', () => {
    const containers = [
      { name: 'main', image: 'r/till:1' },
      { name: 'proxy', image: `r/proxy@${OTHER_DIGEST}` },
    ];
    const template = { kind: 'Deployment' as const, replicas: 1, pod: { spec: { containers } } };
    expect(digestsOf(aModule({ template, images: [] }))).toEqual([]);
  });

  it('come with the limits on the process', () => {
    const process = { ...PROCESS, executables: [{ sha256: 'e'.repeat(64) }], fromImage: false, uid: 7 };
    expect(policyOf(aModule({ process }))).toMatchObject({
      fromImage: false,
      uidAllowed: 7,
      executables: process.executables,
    });
    expect(policyOf(aModule({ process }))).not.toHaveProperty('gidAllowed');
  });
});

describe('a label selector', () => {
  const labels = { app: 'x', tier: 'edge' };
  it.each<[LabelSelector, boolean]>([
    [{}, true],
    [{ matchLabels: { app: 'x' } }, true],
    [{ matchLabels: { app: 'x', tier: 'core' } }, false],
    [{ matchExpressions: [{ key: 'tier', operator: 'In', values: ['edge', 'far'] }] }, true],
    [{ matchExpressions: [{ key: 'none', operator: 'In', values: ['edge'] }] }, false],
    [{ matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['edge'] }] }, false],
    [{ matchExpressions: [{ key: 'none', operator: 'NotIn', values: ['edge'] }] }, true],
    [{ matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, true],
    [{ matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, false],
  ])('%j selects: %s', (selector, expected) => {
    expect(selects(selector, labels)).toBe(expected);
  });
});

describe('the evidence of a pod', () => {
  it('names the containers that mount an identity volume or a delivered Secret', () => {
    const pod = aPod();
    const shared = {
      ...pod,
      spec: {
        ...pod.spec,
        containers: [...pod.spec.containers, { name: 'spy', volumeMounts: [{ name: 's' }] }, { name: 'other' }],
        volumes: [...(pod.spec.volumes ?? []), { name: 's', secret: { secretName: 'till-tls' } }],
      },
    };
    expect(podEvidence(shared, new Set(['till-tls'])).mounting).toEqual(['main', 'spy']);
    expect(podEvidence(shared).mounting).toEqual(['main']);
  });

  it.each([
    ['Succeeded', true],
    ['Failed', true],
    ['Running', false],
  ])('in phase %s says that it has ended: %s', (phase, ended) => {
    expect(hasEnded(aPod({ phase }))).toBe(ended);
  });
});
