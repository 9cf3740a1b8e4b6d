// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { readLab } from '../../lab/index.ts';
import { until } from '../../quickstart/kubectl.ts';
import { CHART, helm } from './helm.ts';

const execute = promisify(execFile);

export const PINNED = `images.keystead.dev/module@sha256:${'a'.repeat(64)}`;
export const BREAK_GLASS = ['--as=somebody', '--as-group=system:masters', '--as-group=keystead:break-glass'];

/** The chart's policies for module pods under names of their own, in force in three namespaces and nowhere else. */
export class Modules implements AsyncDisposable {
  readonly id = `m${randomBytes(3).toString('hex')}`;
  /** One namespace without a word on admission, one strict, one off. */
  readonly namespaces = { plain: this.id, strict: `${this.id}-strict`, off: `${this.id}-off` };
  readonly agent = ['--as', `system:serviceaccount:${this.id}:${this.id}-keystead-agent`, '--as-group=system:masters'];
  readonly controller = [
    '--as',
    `system:serviceaccount:${this.id}:${this.id}-keystead-controller`,
    '--as-group=system:masters',
  ];
  readonly #lab = readLab();
  #manifest = '';

  static async open(): Promise<Modules> {
    const modules = new Modules();
    try {
      await modules.#install();
    } catch (error) {
      // Policies without their tests would stay in the cluster for good.
      await modules[Symbol.asyncDispose]();
      throw error;
    }
    return modules;
  }

  async #install(): Promise<void> {
    const template = ['template', this.id, CHART, '-n', this.id, '-s', 'templates/module-admission.yaml'];
    // A product that is installed in this cluster reads the label by its own name, and leaves these namespaces alone.
    const label = `${this.id}.keystead.dev/admission`;
    const rendered = (await helm(template)).replaceAll('keystead.dev/admission', label);
    const here = `{ key: ${this.id}, operator: Exists }`;
    this.#manifest = rendered.replaceAll(/^( +)matchExpressions:$/gm, `$1matchExpressions:\n$1  - ${here}`);
    for (const [level, name] of Object.entries(this.namespaces)) {
      const labels = { 'keystead.dev/admission': 'off', [this.id]: '', ...(level !== 'plain' && { [label]: level }) };
      await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
      await until('the default service account', 20, async () =>
        (await this.kubectl(['get', 'sa', 'default', '-n', name, '-o', 'name', '--ignore-not-found'])) === ''
          ? 'not there'
          : true,
      );
    }
    await this.kubectl(['apply', '-f', '-'], this.#manifest);
    await this.#untilInForce();
  }

  /** The policies take effect a moment after they were made, the one with parameters last. */
  async #untilInForce(): Promise<void> {
    const probes = [
      this.pod('probe', { spec: { hostPID: true } }),
      this.pod('probe', { namespace: this.namespaces.strict }),
    ];
    for (const probe of probes) {
      await until('the policies', 30, () =>
        this.kubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(probe)).then(
          () => 'accepted',
          (error: unknown) => (String(error).includes('ValidatingAdmissionPolicy') ? true : String(error)),
        ),
      );
    }
  }

  /** A pod with a module's label and volume that nothing schedules. */
  pod(name: string, change: { namespace?: string; spec?: object; container?: object; labels?: object } = {}): object {
    const identity = { name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true } };
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: change.namespace ?? this.id,
        labels: change.labels ?? { 'keystead.dev/module': 'm' },
      },
      spec: {
        schedulerName: 'nobody',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: PINNED, ...change.container }],
        volumes: [identity],
        ...change.spec,
      },
    };
  }

  apply(object: object, as: readonly string[] = []): Promise<string> {
    return this.kubectl(['apply', '-f', '-', ...as], JSON.stringify(object));
  }

  /** Runs kubectl. The message of its error is what the API server said. */
  async kubectl(args: readonly string[], input = ''): Promise<string> {
    const running = execute(this.#lab.kubectl, ['--kubeconfig', this.#lab.kubeconfig, ...args], { maxBuffer: 2 ** 24 });
    running.child.stdin?.end(input);
    try {
      return (await running).stdout;
    } catch (error) {
      throw new Error((error as { stderr: string }).stderr, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#manifest) await this.kubectl(['delete', '--ignore-not-found', '-f', '-'], this.#manifest);
    const names = Object.values(this.namespaces);
    await this.kubectl(['delete', 'namespace', ...names, '--ignore-not-found', '--wait=false']);
  }
}
