// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Checked } from '../../src/cli/check.ts';
import type { Explanation } from '../../src/identity/explanation.ts';
import { RULES } from '../../src/attest/decide.ts';
import { Scene } from './harness.ts';

const execute = promisify(execFile);
const CLI = join(import.meta.dirname, '../../src/bin/cli.ts');
const LIMIT = 180_000;

const scene = new Scene('cli');
const folder = mkdtempSync(join(tmpdir(), 'keystead-cli-'));
beforeAll(() => scene.open(), 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await scene.leave();
}, LIMIT);

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program that may end with any exit code. */
async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(program, args, { env: { ...process.env, ...env } });
    return { exit: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { exit: code, out: stdout, err: stderr };
  }
}

const keystead = (...args: readonly string[]): Promise<Ran> =>
  run(process.execPath, [CLI, ...args], { KUBECONFIG: scene.lab.kubeconfig });

/** A kubeconfig of a service account with these rights. */
async function kubeconfigOf(name: string, rules: readonly object[]): Promise<string> {
  const metadata = { name: `${scene.namespace}-${name}` };
  await scene.apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: scene.namespace, name } },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', namespace: scene.namespace, name }],
    },
  );
  const token = (await scene.run('create', 'token', name)).trim();
  const config = JSON.parse(await scene.kubectl.run(['config', 'view', '--raw', '-o', 'json'])) as Record<
    string,
    unknown
  >;
  const file = join(folder, `${name}.kubeconfig`);
  const users = (config['contexts'] as { context: { user: string } }[]).map(({ context }) => context.user);
  const user = { token };
  writeFileSync(file, JSON.stringify({ ...config, users: users.map((each) => ({ name: each, user })) }), {
    mode: 0o600,
  });
  return file;
}

async function forget(name: string): Promise<void> {
  const object = `${scene.namespace}-${name}`;
  await scene.kubectl.run(['delete', 'clusterrole,clusterrolebinding', object, '--ignore-not-found']);
}

const READ_PODS = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };

describe('keystead on a running node', () => {
  it(
    'explains an allowed and a denied pod by the whole table of rules',
    async () => {
      await scene.apply(...scene.module('right'), ...scene.module('wrong', { spec: { process: { uid: 77 } } }));
      const { pod } = await scene.holder('right', 'Allowed');
      const allowed = await keystead('explain', `pod/${pod}`, '-n', scene.namespace, '--json');
      const { verdict, table, evidence, identities } = JSON.parse(allowed.out) as Explanation;
      expect(verdict).toBe('Allowed');
      expect(table.map(({ rule, outcome }) => [rule, outcome])).toEqual(RULES.map(({ name }) => [name, 'Held']));
      expect(evidence.container?.image).toMatchObject({ index: scene.digests.index });
      expect(evidence.process?.executable.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(identities).toEqual([expect.objectContaining({ name: 'right', serial: expect.any(String) })]);

      const refused = (await scene.holder('wrong', 'Denied')).pod;
      const denied = await keystead('explain', refused, '-n', scene.namespace);
      expect(denied).toMatchObject({ exit: 0, err: '' });
      expect(denied.out).toContain('Denied, CredentialsMismatch');
      expect(denied.out).toMatch(/^ImageDigest +Held/m);
      expect(denied.out).toMatch(/^Credentials +Failed +expected uid 77/m);

      const status = await keystead('status', '-n', scene.namespace);
      expect(status.out).toMatch(/right +True/);
      expect(status.out).toContain(`CredentialsMismatch pod/${refused}`);
    },
    LIMIT,
  );

  it(
    'explains to whom the API server lets through to the agent, and says what is lacking else',
    async () => {
      await scene.apply(...scene.module('asked'));
      const { pod } = await scene.holder('asked', 'Allowed');
      const command = [CLI, 'explain', `pod/${pod}`, '-n', scene.namespace];
      try {
        const weak = await run(process.execPath, command, { KUBECONFIG: await kubeconfigOf('weak', [READ_PODS]) });
        expect(weak.exit).toBe(2);
        expect(weak.err).toContain('you need the verb get on pods/proxy in namespace keystead-system');
        const proxy = { apiGroups: [''], resources: ['pods/proxy'], verbs: ['get'] };
        const strong = await kubeconfigOf('strong', [READ_PODS, proxy]);
        expect(await run(process.execPath, command, { KUBECONFIG: strong })).toMatchObject({
          exit: 0,
          out: expect.stringContaining('Allowed'),
        });
      } finally {
        await forget('weak');
        await forget('strong');
      }
    },
    LIMIT,
  );

  it(
    'checks the installation, and each check says something',
    async () => {
      const { out } = await keystead('check', '--json');
      const { checks } = JSON.parse(out) as { checks: Checked[] };
      const installed = checks.filter(({ check }) => !['identities', 'certificates'].includes(check));
      expect(installed.map(({ level, check }) => `${level} ${check}`)).toEqual([
        'ok API server',
        'ok CRDs',
        'ok controller',
        'ok agents',
        'ok CSI driver',
        'ok notary',
        'ok clocks',
        'ok NRI',
        'ok trust bundles',
      ]);
    },
    LIMIT,
  );

  it(
    'verifies the audit log of the notary of the node, in which every certificate is',
    async () => {
      const { stdout: found } = await execute('find', [scene.lab.dir, '-name', 'audit-*.jsonl', '-type', 'f']);
      const log = dirname(found.split('\n')[0] ?? '');
      const { exit, out } = await keystead('audit', 'verify', log);
      expect([exit, out]).toEqual([0, expect.stringContaining('intact: records 1 to')]);
      await scene.apply(...scene.module('recorded'));
      const { serial } = await scene.holder('recorded', 'Allowed', (holder) => holder.serial !== undefined);
      const exported = await keystead('audit', 'export', log, '--identity', `${scene.namespace}/recorded`);
      expect(exported.out).toContain(`"serial":"${serial}"`);
    },
    LIMIT,
  );

  it(
    'runs as a plugin of kubectl',
    async () => {
      const plugin = join(folder, 'kubectl-keystead');
      writeFileSync(plugin, `#!/bin/sh\nexec ${process.execPath} ${CLI} "$@"\n`, { mode: 0o755 });
      symlinkSync(scene.lab.kubectl, join(folder, 'kubectl'));
      const env = { KUBECONFIG: scene.lab.kubeconfig, PATH: `${folder}:${process.env['PATH'] ?? ''}` };
      const { exit, out } = await run('kubectl', ['keystead', 'status', '-n', scene.namespace], env);
      expect(exit).toBe(0);
      expect(out).toMatch(/^DEVICE +READY/);
    },
    LIMIT,
  );
});
