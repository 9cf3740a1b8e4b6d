// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { TrustBundleTargets } from '../../../controllers/trust-bundle-targets.ts';
import type { TrustBundle } from '../../../src/api/v1alpha1/index.ts';
import type { ConfigMap } from '../../../src/kube/index.ts';

/** The most that the API server takes. */
const LIMIT = 1024 * 1024;

const bundle = {
  metadata: { name: 'edge', uid: 'b-1' },
  spec: { trustDomain: 'edge.example', sources: [], targets: { configMap: {}, clusterTrustBundle: false } },
} as unknown as TrustBundle;

function setting() {
  const applied: ConfigMap[] = [];
  const targets = new TrustBundleTargets({
    clock: { now: () => 0 },
    client: {
      apply: (_resource: unknown, object: ConfigMap) => {
        applied.push(object);
        return Promise.resolve({ metadata: { resourceVersion: '1' } });
      },
      delete: () => Promise.resolve(),
      serves: () => Promise.resolve(false),
    } as never,
    configMaps: { get: () => undefined, list: () => [], by: () => [] },
    namespaces: { get: () => undefined, list: () => [{ metadata: { name: 'plant' } }], by: () => [] },
  });
  return { targets, applied };
}

describe('the ConfigMap of a TrustBundle', () => {
  /** The anchors go into it under two names. */
  const texts = (crlBytes: number) => ({ pem: 'a'.repeat(1000), json: '', crls: 'c'.repeat(crlBytes) });

  it('is written as long as the API server takes it', async () => {
    const { targets, applied } = setting();
    expect(await targets.write(bundle, texts(LIMIT - 2000))).toEqual([]);
    expect(applied).toHaveLength(1);
  });

  it('that would be larger is not written; why, and what to do, goes into the condition', async () => {
    const { targets, applied } = setting();
    const [refusal, ...others] = await targets.write(bundle, texts(LIMIT - 1999));
    expect(others).toEqual([]);
    expect(refusal).toMatchObject({ reason: 'ConfigMapTooLarge' });
    expect(refusal!.message).toMatch(/^ConfigMap plant\/edge would have 1048577 bytes, .* Shorten x509.duration/);
    expect(applied).toEqual([]);
  });
});
