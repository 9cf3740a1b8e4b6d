// SPDX-License-Identifier: Apache-2.0
import { expect } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import { logFiles } from '../../src/audit/files.ts';
import { Scene, PUBLIC_FILES, until, type PodChange } from '../e2e/harness.ts';
import { processesOfPod } from '../e2e/pod-processes.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';

type Holder = NonNullable<NonNullable<ModuleIdentity['status']>['holders']>[number];

/**
 * A namespace for attacks on attestation. Admission is off in it: what is refused here is refused by the node alone,
 * and would be on a cluster whose admission was switched off or got round.
 */
export class AttackScene extends Scene {
  override async open(): Promise<void> {
    await super.open();
    await this.kubectl.run(['label', 'namespace', this.namespace, 'keystead.dev/admission=off', '--overwrite']);
  }

  /** Does not wait: what is being deleted cannot harm the next file's attacks, and each has a namespace of its own. */
  override async close(): Promise<void> {
    await this.kubectl.run(['delete', 'namespace', this.namespace, '--ignore-not-found', '--wait=false']);
  }

  /** A module that claims pods by `app: <name>` and allows the scene's image, and its identity. */
  claim(name: string, spec: object = {}, identity: object = {}): object[] {
    return [
      this.object('EdgeModule', name, {
        selector: { matchLabels: { app: name } },
        images: [{ digest: this.digests.index }],
        remeasureInterval: '1s',
        ...spec,
      }),
      this.object('ModuleIdentity', name, { moduleRef: { name }, ...identity }),
    ];
  }

  /**
   * Sets an attacking pod beside an honest one of the same module. The honest one gets the identity, the other one is
   * refused for `reason` and was issued nothing.
   */
  async refuses(name: string, attack: PodChange, reason: string, setting: { spec?: object } = {}): Promise<Holder> {
    const [attacker, honest] = [`${name}-attacker`, `${name}-honest`];
    await this.apply(...this.claim(name, setting.spec));
    await this.apply(this.pod(attacker, { app: name }, attack), this.pod(honest, { app: name }));
    await this.holder(name, 'Allowed', ({ pod }) => pod === honest);
    const denied = await this.holder(name, 'Denied', ({ pod }) => pod === attacker);
    expect(denied).toMatchObject({ reason });
    await this.gotNothing(name, attacker);
    await this.remove(attacker, honest);
    return denied;
  }

  /** That a pod holds public files only, is Allowed nowhere, and that the notary issued nothing for it. */
  async gotNothing(identity: string, pod: string): Promise<void> {
    const found = await this.find('pod', pod);
    expect(found).toBeDefined();
    expect(await this.files(pod)).toEqual(PUBLIC_FILES);
    expect(this.issuedTo(found!.metadata.uid)).toEqual([]);
    const status = (await this.find<ModuleIdentity & KubeObject>('moduleidentity', identity))?.status;
    expect(status?.holders?.filter((holder) => holder.pod === pod && holder.verdict === 'Allowed') ?? []).toEqual([]);
  }

  /** Records of the notary's audit log about certificates for a pod. */
  issuedTo(podUid: string): string[] {
    const texts = logFiles(join(this.lab.dir, 'keystead/notary')).map(({ path }) => readFileSync(path, 'utf8'));
    return texts
      .join('')
      .split('\n')
      .filter((line) => line.includes(podUid) && line.includes('"serial"'));
  }

  /** Has the program in a module, which waits for it, begin its attack. Nobody enters the pod for it. */
  begin(podUid: string): Promise<true> {
    return until('a process to begin', 10, () => {
      for (const pid of processesOfPod(podUid)) {
        try {
          // The sandbox has no such folder.
          writeFileSync(`/proc/${pid}/root/tmp/go`, '');
          return Promise.resolve(true as const);
        } catch {
          continue;
        }
      }
      return Promise.resolve('no process has a /tmp');
    });
  }

  /** That a holder which had its identity loses it for `reason`, and its files with it. */
  async takenBack(identity: string, held: Holder, reason: string): Promise<Holder> {
    const denied = await this.holder(identity, 'Denied', ({ podUid }) => podUid === held.podUid);
    expect(denied).toMatchObject({ reason });
    await this.filesAre(held.pod, PUBLIC_FILES);
    const before = this.issuedTo(held.podUid);
    expect(before.filter((line) => line.includes(held.serial!))).toHaveLength(1);
    // Another measurement passes: it is not given again.
    await new Promise((done) => setTimeout(done, 1_500));
    expect(await this.files(held.pod)).toEqual(PUBLIC_FILES);
    expect(this.issuedTo(held.podUid)).toEqual(before);
    return denied;
  }

  /** What `look` says as soon as it says anything. */
  async eventually(look: () => Promise<string>): Promise<string> {
    const { said } = await until('an answer', 60, async () => {
      const text = await look();
      return text.trim() === '' ? 'nothing' : { said: text };
    });
    return said;
  }

  /** Takes pods away without waiting: the node has work enough. */
  async remove(...pods: readonly string[]): Promise<void> {
    await this.run('delete', 'pod', ...pods, '--wait=false', '--grace-period=1');
  }
}
