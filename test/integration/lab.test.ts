// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readLab, type Lab } from '../lab/index.ts';

/** A lab of its own beside the one that other tests use. */
const LAB = { KEYSTEAD_LAB_DIR: '/var/lib/keystead-lab-test', KEYSTEAD_LAB_SUBNET: '10.239' };
const INTERFACE = 'kslab10-239';
const CLI = join(import.meta.dirname, '..', 'lab', 'cli.ts');

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function call(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { ...process.env, ...LAB, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}

const cli = (...args: string[]) => call(process.execPath, [CLI, ...args]);
const read = () => readLab({ ...process.env, ...LAB });
const pidOf = (daemon: string) =>
  (JSON.parse(readFileSync(join(LAB.KEYSTEAD_LAB_DIR, `${daemon}.pid.json`), 'utf8')) as { pid: number }).pid;

function pod(name: string, image: string, command: string) {
  const volumes = [{ name: 'www', emptyDir: {} }];
  const volumeMounts = [{ name: 'www', mountPath: '/www' }];
  const container = { name: 'main', image, command: ['/bin/sh', '-c', command], volumeMounts };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { volumes, containers: [container] },
  };
}

jest.setTimeout(120_000);

describe('the lab', () => {
  let lab: Lab;
  const kubectl = async (...args: string[]) => {
    const { code, stdout, stderr } = await call(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args]);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim();
  };
  const apply = async (object: object) => {
    const script = `printf '%s' "$OBJECT" | "$KUBECTL" --kubeconfig "$CONFIG" apply -f -`;
    const env = { OBJECT: JSON.stringify(object), KUBECTL: lab.kubectl, CONFIG: lab.kubeconfig };
    expect(await call('sh', ['-c', script], env)).toMatchObject({ code: 0 });
  };

  beforeAll(async () => {
    await cli('down');
    expect(await cli('up')).toMatchObject({ code: 0, stderr: '' });
    lab = read();
  });
  afterAll(async () => {
    await cli('down');
  });

  test('a second up finds it running', async () => {
    const before = pidOf('kubelet');
    const { code, stdout } = await cli('up');
    expect(code).toBe(0);
    expect(stdout).toContain('the lab is up already');
    expect(pidOf('kubelet')).toBe(before);
    expect(await cli('status')).toMatchObject({ code: 0 });
  });

  test('it refuses a subnet that is in use, and another runtime for the same lab', async () => {
    const other = '/var/lib/keystead-lab-other';
    const taken = await call(process.execPath, [CLI, 'up'], { KEYSTEAD_LAB_DIR: other });
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain(`in use on this machine, by interface ${INTERFACE}`);
    expect(existsSync(other)).toBe(false);
    const changed = await cli('up', '--containerd', 'debian');
    expect(changed.code).toBe(1);
    expect(changed.stderr).toContain('was made with --containerd current');
  });

  test('a pod that is pulled by digest runs, is reached by address, Service and name, and has logs and exec', async () => {
    const ctr = ['--address', lab.containerdSocket, '--namespace', 'k8s.io', 'images'];
    const name = `${lab.registry}/lab/pause:1`;
    expect(await call(lab.ctr, [...ctr, 'push', '--plain-http', name, 'keystead.dev/lab/pause:1'])).toMatchObject({
      code: 0,
    });
    const head = await fetch(`http://${lab.registry}/v2/lab/pause/manifests/1`, {
      method: 'HEAD',
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const digest = head.headers.get('docker-content-digest') ?? '';
    expect(digest).toMatch(/^sha256:/);
    const image = `${lab.registry}/lab/pause@${digest}`;
    await apply(pod('web', image, 'echo serving; echo hello > /www/index.html; exec busybox httpd -f -p 8080 -h /www'));
    await apply(pod('caller', image, 'exec sleep 1000000'));
    await apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await kubectl('wait', '--for=condition=Ready', 'pod/web', 'pod/caller', '--timeout=60s');
    const address = await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}');
    const service = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    await sleep(1000);
    expect(await kubectl('logs', 'web')).toBe('serving');
    for (const url of [`http://${address}:8080`, `http://${service}`, 'http://web.default.svc.cluster.local']) {
      expect(await kubectl('exec', 'caller', '--', 'busybox', 'wget', '-qO-', url)).toBe('hello');
    }
    expect(await (await fetch(`http://${service}`)).text()).toBe('hello\n');
    expect(await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.containerStatuses[0].imageID}')).toContain(
      digest,
    );
  });

  test.each([
    [['kubelet']],
    [['containerd']],
    [['kine', 'kube-apiserver', 'containerd', 'kubelet', 'registry', 'kube-proxy']],
  ])('up repairs it after kill -9 of %s, and pods live on', async (daemons) => {
    for (const daemon of daemons) process.kill(pidOf(daemon), 'SIGKILL');
    expect(await cli('status')).toMatchObject({ code: 1 });
    expect(await cli('up')).toMatchObject({ code: 0, stderr: '' });
    expect(
      await kubectl('exec', 'caller', '--', 'busybox', 'wget', '-qO-', 'http://web.default.svc.cluster.local'),
    ).toBe('hello');
    expect(await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}')).toBe('0');
  });

  test('a second node joins with a network and processes of its own, and pods of both reach each other', async () => {
    expect(await cli('up', '--nodes', '2')).toMatchObject({ code: 0, stderr: '' });
    const { second } = read();
    const image = await kubectl('get', 'pod', 'caller', '-o', 'jsonpath={.spec.containers[0].image}');
    const elsewhere = pod('elsewhere', image, 'exec sleep 1000000');
    await apply({ ...elsewhere, spec: { ...elsewhere.spec, nodeName: second?.nodeName } });
    await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=60s');
    await kubectl('wait', '--for=condition=Ready', 'pod/elsewhere', '--timeout=60s');
    expect(await kubectl('exec', 'elsewhere', '--', 'busybox', 'wget', '-qO-', 'http://web.default')).toBe('hello');
    expect(await cli('status')).toMatchObject({ code: 0 });
  });

  test('the interface of a lab that was killed with its folder gives way to a new lab', async () => {
    const other = { KEYSTEAD_LAB_DIR: '/var/lib/keystead-lab-other', KEYSTEAD_LAB_SUBNET: '10.238' };
    const link = ['link', 'add', 'kslab10-238', 'type', 'bridge'];
    expect(await call('ip', link)).toMatchObject({ code: 0 });
    try {
      await call('ip', ['address', 'add', '10.238.0.1/30', 'dev', 'kslab10-238']);
      expect(await call(process.execPath, [CLI, 'up'], other)).toMatchObject({ code: 0, stderr: '' });
    } finally {
      expect(await call(process.execPath, [CLI, 'down'], other)).toMatchObject({ code: 0 });
      await call('ip', ['link', 'delete', 'dev', 'kslab10-238']);
    }
  });

  test('down leaves no process, mount, interface, control group or file, whatever was killed before', async () => {
    const shims = () => call('pgrep', ['-fc', LAB.KEYSTEAD_LAB_DIR]);
    expect(Number((await shims()).stdout)).toBeGreaterThan(8);
    process.kill(pidOf('containerd'), 'SIGKILL');
    expect(await cli('down')).toMatchObject({ code: 0, stderr: '' });
    expect((await shims()).stdout.trim()).toBe('0');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(LAB.KEYSTEAD_LAB_DIR);
    expect((await call('ip', ['link', 'show', INTERFACE])).code).not.toBe(0);
    expect((await call('find', ['/sys/fs/cgroup', '-name', lab.cgroup.slice(1)])).stdout).toBe('');
    expect(existsSync(LAB.KEYSTEAD_LAB_DIR)).toBe(false);
    expect(await cli('down')).toMatchObject({ code: 0 });
    expect(() => read()).toThrow('no lab is up');
  });
});
