// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from '../e2e/harness.ts';

/** The chart's admission as it is installed, against a module that runs. The rules one by one: test/integration/chart. */
const scene = new Scene('attack-admission');
let module: { readonly pod: string; readonly podUid: string };
beforeAll(async () => {
  await scene.open();
  await scene.apply(...scene.module('guarded'));
  module = await scene.holder('guarded', 'Allowed');
  await scene.filesAre(module.pod, ALL_FILES);
}, 120_000);
afterAll(() => scene.kubectl.run(['delete', 'namespace', scene.namespace, '--wait=false']), 60_000);

const LIMIT = 60_000;
const BREAK_GLASS = ['--as=oncall', '--as-group=system:masters', '--as-group=keystead:break-glass'];

/** As the cluster's administrator, who is in system:masters and in no break-glass group. */
const administrator = (...args: readonly string[]): Promise<string> =>
  scene.kubectl.run(['-n', scene.namespace, ...args]);

/** What a refusal says, once the status that it rests on has reached the API server's admission. */
function refusal(request: () => Promise<string>): Promise<{ message: string }> {
  return until('a refusal', 20, () =>
    request().then(
      (output) => `accepted: ${output}`,
      (error: unknown) => ({ message: String(error) }),
    ),
  );
}

describe('nobody works inside a module', () => {
  it(
    'by kubectl debug; a copy of the pod is another pod',
    async () => {
      const debug = ['debug', module.pod, `--image=${scene.image}`, '--target=main', '--attach=false', '--quiet'];
      await expect(administrator(...debug, '--', '/bin/true')).rejects.toThrow(
        /takes no ephemeral container|is a module/,
      );
      await scene.filesAre(module.pod, ALL_FILES);
      const copy = [
        'debug',
        module.pod,
        '--copy-to=copy',
        '--share-processes=false',
        '--container=main',
        '--attach=false',
        '--quiet',
      ];
      await expect(administrator(...copy, '--', '/bin/sleep', '1000000')).resolves.toBeDefined();
      // It has no label and so is no module: what lies in its volume is public.
      expect(await scene.files('copy')).toEqual(PUBLIC_FILES);
    },
    LIMIT,
  );

  it(
    'by exec, but for a break-glass group',
    async () => {
      const exec = (...as: readonly string[]) => administrator('exec', module.pod, ...as, '--', '/bin/true');
      const { message } = await refusal(() => exec());
      expect(message).toContain(`pod ${module.pod} is a module (ModuleIdentity guarded)`);
      expect(message).toContain('ask as a member of keystead:break-glass');
      await expect(exec(...BREAK_GLASS)).resolves.toBe('');
      // Until the pod is replaced.
      expect(await scene.holder('guarded', 'Denied')).toMatchObject({ reason: 'LineageMismatch' });
    },
    LIMIT,
  );

  it(
    'by attach, but for a break-glass group',
    async () => {
      // A plain request shows what admission says; whoever it lets through is asked for a stream.
      const path = `/api/v1/namespaces/${scene.namespace}/pods/${module.pod}/attach?container=main&stdout=true`;
      const { message } = await refusal(() => administrator('get', '--raw', path));
      expect(message).toContain('in which nobody works');
      await expect(administrator('get', '--raw', path, ...BREAK_GLASS)).rejects.toThrow(/upgrade request required/i);
    },
    LIMIT,
  );

  it(
    'while other pods of the namespace are open as ever',
    async () => {
      await scene.apply(scene.pod('plain', { app: 'plain' }, { container: { volumeMounts: [] } }));
      await administrator('wait', '--for=condition=Ready', 'pod/plain', '--timeout=30s');
      await expect(administrator('exec', 'plain', '--', '/bin/true')).resolves.toBe('');
    },
    LIMIT,
  );
});

describe('nobody changes what a module is', () => {
  it('by its label, its gate or a tag', async () => {
    const label = (value: string) => administrator('label', '--overwrite', 'pod', module.pod, value);
    await expect(label('keystead.dev/module=other')).rejects.toThrow('by it the pod belongs to its module');
    await expect(label('team=edge')).resolves.toContain('labeled');
    const condition = (type: string) => {
      const conditions = [{ type, status: 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }];
      const patch = JSON.stringify({ status: { conditions } });
      return administrator('patch', 'pod', module.pod, '--subresource=status', '-p', patch);
    };
    await expect(condition('keystead.dev/attested')).rejects.toThrow("only Keystead's agent says");
    await expect(condition('example.org/noted')).resolves.toContain('patched');
    const image = (name: string) =>
      administrator('set', 'image', `pod/${module.pod}`, `main=${name}`, '--dry-run=server');
    await expect(image(`${scene.lab.registry}/keystead/test:a`)).rejects.toThrow('write image@sha256:<digest>');
    await expect(image(scene.image.replace(/@.*/, `@sha256:${'0'.repeat(64)}`))).resolves.toContain('updated');
  });

  it.each([
    ['the notary and agent sockets', '/var/lib/keystead-lab/keystead'],
    ["neighbours' volumes", '/var/lib/keystead-lab/kubelet/pods'],
    ["the runtime's socket", '/var/lib/keystead-lab/run/containerd.sock'],
  ])('by a hostPath that reaches %s', async (_what, standard) => {
    const path = standard.replace('/var/lib/keystead-lab', scene.lab.dir);
    const identity = { name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true } };
    const pod = (host: string): object =>
      scene.pod('reaching', { app: 'x' }, { spec: { volumes: [identity, { name: 'h', hostPath: { path: host } }] } });
    const create = (host: string) =>
      scene.kubectl.run(['create', '--dry-run=server', '-f', '-'], JSON.stringify(pod(host)));
    await expect(create(path)).rejects.toThrow(`hostPath ${path} of a module pod reaches`);
    await expect(create('/dev/bus/usb')).resolves.toContain('created');
  });

  it.each([
    ['hostPID', { hostPID: true }],
    ['shareProcessNamespace', { shareProcessNamespace: true }],
  ])('by %s, neither in the EdgeModule nor in a pod that its selector claims', async (field, pod) => {
    await expect(scene.apply(...scene.module('shared', { pod }))).rejects.toThrow(`${field} must not be true`);
    const [, identity] = scene.module('claiming');
    const selector = { selector: { matchLabels: { app: 'p' } }, images: [{ digest: scene.digests.index }] };
    await scene.apply(scene.object('EdgeModule', 'claiming', selector), identity!);
    const create = (spec: object) =>
      scene.kubectl.run(
        ['create', '--dry-run=server', '-f', '-'],
        JSON.stringify(scene.pod('p', { app: 'p' }, { spec })),
      );
    // What an EdgeModule allows reaches admission a moment after it was written.
    await until('the refusal', 20, () =>
      create(pod).then(
        () => 'accepted',
        (error: unknown) => (String(error).includes(`must not set ${field}`) ? true : String(error)),
      ),
    );
    await expect(create({})).resolves.toContain('created');
  });
});

describe('a strict namespace', () => {
  const strict = new Scene('attack-strict');
  beforeAll(async () => {
    await strict.open();
    await strict.kubectl.run(['label', 'namespace', strict.namespace, 'keystead.dev/admission=strict']);
  }, 60_000);
  afterAll(() => strict.kubectl.run(['delete', 'namespace', strict.namespace, '--wait=false']), 60_000);

  it(
    'runs the modules that are declared, and takes no pod or workload of their label from anybody else',
    async () => {
      const labels = { 'keystead.dev/module': 'declared' };
      const pod = strict.pod('forged', labels);
      await until('the refusal', 20, () =>
        strict.kubectl.run(['create', '--dry-run=server', '-f', '-'], JSON.stringify(pod)).then(
          () => 'accepted',
          (error: unknown) => (String(error).includes('lets only Keystead start pods') ? true : String(error)),
        ),
      );
      await strict.apply(...strict.module('declared'));
      const holder = await strict.holder('declared', 'Allowed');
      await strict.filesAre(holder.pod, ALL_FILES);
      const env = ['set', 'env', 'deployment/declared', 'LD_PRELOAD=/tmp/evil.so'];
      await expect(strict.run(...env)).rejects.toThrow('lets only Keystead write workloads');
      await expect(strict.apply(strict.pod('plain', { app: 'plain' }))).resolves.toBeUndefined();
    },
    LIMIT,
  );
});
