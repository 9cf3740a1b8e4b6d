// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeArchive } from '../../../src/build/image/archive.ts';
import { makeImage, type Image } from '../../../src/build/image/image.ts';
import { packLayer } from '../../../src/build/image/layer.ts';
import { pushImage } from '../../../src/build/image/registry.ts';
import { readLab, type Lab } from '../../lab/index.ts';

const run = promisify(execFile);
const BUSYBOX = readFileSync('/bin/busybox');

export interface StartedPod {
  readonly name: string;
  readonly uid: string;
}

/** Pods of busybox on the lab, in a namespace that goes away at the end. */
export class Pods implements AsyncDisposable {
  readonly lab: Lab = readLab();
  readonly namespace = `runtime-${randomBytes(3).toString('hex')}`;

  async open(): Promise<this> {
    await this.kubectl('create', 'namespace', this.namespace);
    return this;
  }

  async kubectl(...args: string[]): Promise<string> {
    return (await run(this.lab.kubectl, ['--kubeconfig', this.lab.kubeconfig, ...args])).stdout;
  }

  async ctr(...args: string[]): Promise<string> {
    return (await run(this.lab.ctr, ['--address', this.lab.containerdSocket, '--namespace', 'k8s.io', ...args])).stdout;
  }

  /** An image that no earlier run has left on the node. */
  async image(): Promise<Image> {
    const unique = { kind: 'file', path: 'etc/unique', mode: 0o644, content: randomBytes(16) } as const;
    const busybox = { kind: 'file', path: 'bin/busybox', mode: 0o755, content: BUSYBOX } as const;
    const folder = await mkdtemp(join(tmpdir(), 'keystead-layer-'));
    this.#folders.push(folder);
    const layers = [await packLayer([busybox], folder), await packLayer([unique], folder)];
    return makeImage(layers, { entrypoint: ['/bin/busybox', 'sleep', '1000'], user: '1234:2345', labels: {} });
  }
  readonly #folders: string[] = [];

  /** Pushes to the lab's registry; gives `registry/name@<index digest>`. */
  async push(image: Image, name: string): Promise<string> {
    return (await pushImage(image, 'latest', { registry: this.lab.registry, name })).reference;
  }

  /** Imports into the node as users do without a registry, under one name only. */
  async sideLoad(image: Image, name: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'keystead-archive-'));
    this.#folders.push(folder);
    const file = join(folder, 'image.tar');
    await writeArchive([{ name, image }], file);
    await this.ctr('images', 'import', file);
    const others = (await this.ctr('images', 'ls', '-q'))
      .split('\n')
      .filter((other) => other.endsWith(`@${image.index.digest}`));
    if (others.length > 0) await this.ctr('images', 'rm', ...others);
  }

  /** Creates a pod and returns at once. */
  async create(name: string, image: string, more: Record<string, unknown> = {}): Promise<StartedPod> {
    const container = { name: 'main', image, imagePullPolicy: 'IfNotPresent', ...more };
    const spec = { terminationGracePeriodSeconds: 0, restartPolicy: 'Never', containers: [container] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: this.namespace }, spec };
    await this.#apply(JSON.stringify(pod));
    const uid = await this.kubectl('-n', this.namespace, 'get', 'pod', name, '-o', 'jsonpath={.metadata.uid}');
    return { name, uid };
  }

  async start(name: string, image: string, more: Record<string, unknown> = {}): Promise<StartedPod> {
    const pod = await this.create(name, image, more);
    const ready = ['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'];
    await this.kubectl('-n', this.namespace, ...ready);
    return pod;
  }

  async delete(name: string): Promise<void> {
    await this.kubectl('-n', this.namespace, 'delete', 'pod', name, '--wait=true');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kubectl('delete', 'namespace', this.namespace, '--wait=false');
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }

  #apply(object: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.lab.kubectl, ['--kubeconfig', this.lab.kubeconfig, 'create', '-f', '-'], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      child.once('error', reject);
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`kubectl create: ${code}`))));
      child.stdin.end(object);
    });
  }
}
