// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFileSync, readlinkSync } from 'node:fs';
import { CriRuntime } from '../../../src/runtime/cri.ts';
import { Pods } from './pods.ts';

jest.setTimeout(120_000);

let pods: Pods;
let runtime: CriRuntime;
beforeAll(async () => {
  pods = await new Pods().open();
  runtime = new CriRuntime(pods.lab.containerdSocket);
});
afterAll(async () => {
  runtime.close();
  await pods[Symbol.asyncDispose]();
});

async function onlyContainerOf(podUid: string): Promise<string> {
  const ids = await runtime.containersOf(podUid);
  expect(ids).toHaveLength(1);
  return ids[0]!;
}

describe('containers of real pods', () => {
  it('gives all three digests of an image pulled by its index, and the process', async () => {
    const image = await pods.image();
    const reference = await pods.push(image, 'runtime-test/pulled');
    const pod = await pods.start('pulled', reference, { securityContext: { runAsUser: 4321, runAsGroup: 5432 } });
    const id = await onlyContainerOf(pod.uid);
    const container = await runtime.container(id);
    expect(container).toEqual({
      id,
      name: 'main',
      podUid: pod.uid,
      image: {
        reference,
        index: image.index.digest,
        manifest: image.manifest.digest,
        config: image.config.digest,
      },
      uid: 4321,
      gid: 5432,
      pid: expect.any(Number),
      argv: ['/bin/busybox', 'sleep', '1000'],
      imageEnvironment: expect.arrayContaining(['PATH=/usr/local/bin:/usr/bin:/bin']) as unknown,
    });
    expect(readlinkSync(`/proc/${container!.pid!}/exe`)).toBe('/bin/busybox');
    expect(await runtime.alive()).toContainEqual({ id, podUid: pod.uid, running: true });
  });

  it('knows no index of an image pulled by its manifest', async () => {
    const image = await pods.image();
    const reference = await pods.push(image, 'runtime-test/by-manifest');
    const byManifest = reference.replace(image.index.digest, image.manifest.digest);
    const pod = await pods.start('by-manifest', byManifest);
    const container = await runtime.container(await onlyContainerOf(pod.uid));
    // The kubelet hands on the image's user but not its group: what counts is what the process really has.
    const status = readFileSync(`/proc/${container!.pid!}/status`, 'utf8');
    expect(status).toContain(`\nUid:\t${container!.uid}\t`);
    expect(status).toContain(`\nGid:\t${container!.gid}\t`);
    expect(container!.uid).toBe(1234);
    expect(container?.image).toEqual({
      reference: byManifest,
      manifest: image.manifest.digest,
      config: image.config.digest,
    });
  });

  it('traces a side-loaded image, of which the runtime knows no digest by which it was pulled', async () => {
    const image = await pods.image();
    await pods.sideLoad(image, 'keystead.test/side-loaded:1');
    const pod = await pods.start('side-loaded', 'keystead.test/side-loaded:1', { imagePullPolicy: 'Never' });
    const container = await runtime.container(await onlyContainerOf(pod.uid));
    expect(container?.image).toEqual({
      reference: 'keystead.test/side-loaded:1',
      index: image.index.digest,
      manifest: image.manifest.digest,
      config: image.config.digest,
    });
  });

  it('keeps to what the container was made from when its tag has moved on', async () => {
    const [old, next] = [await pods.image(), await pods.image()];
    await pods.sideLoad(old, 'keystead.test/moving:1');
    const pod = await pods.start('moving', 'keystead.test/moving:1', { imagePullPolicy: 'Never' });
    await pods.sideLoad(next, 'keystead.test/moving:1');
    const fresh = new CriRuntime(pods.lab.containerdSocket);
    const container = await fresh.container(await onlyContainerOf(pod.uid));
    fresh.close();
    expect(container?.image).toMatchObject({ config: old.config.digest, manifest: old.manifest.digest });
  });

  it('knows neither sandboxes nor containers that are gone', async () => {
    const rows = (await pods.ctr('containers', 'ls')).split('\n').filter((row) => row.includes('pause'));
    const sandbox = rows[0]!.split(/\s+/)[0]!;
    expect(await runtime.container(sandbox)).toBeUndefined();
    expect(await runtime.container('0'.repeat(64))).toBeUndefined();
  });

  it('answers within 10 ms once the image is known', async () => {
    const [first] = await runtime.alive();
    await runtime.container(first!.id);
    const times = [];
    for (let i = 0; i < 100; i++) {
      const begun = performance.now();
      await runtime.container(first!.id);
      times.push(performance.now() - begun);
    }
    times.sort((a, b) => a - b);
    process.stdout.write(`container(): p50 ${times[50]!.toFixed(1)} ms, p99 ${times[98]!.toFixed(1)} ms\n`);
    expect(times[50]).toBeLessThan(10);
  });

  it('says what to check when the runtime does not answer', async () => {
    const absent = new CriRuntime('/nonexistent/containerd.sock');
    await expect(absent.container('x')).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('/nonexistent/containerd.sock is its CRI socket'),
    });
    absent.close();
  });
});
