// SPDX-License-Identifier: Apache-2.0
import { DeviceIntegrity } from '../../../controllers/device-integrity.ts';
import { NodeAttester } from '../../../controllers/node-attester.ts';
import { findCondition } from '../../../src/api/conditions.ts';
import type { EdgeDevice, EdgeDeviceSpecMeasuredBoot, EdgeDeviceStatus } from '../../../src/api/v1alpha1/index.ts';
import type { Attester } from '../../../src/notary/root-of-trust/attester.ts';
import { TpmAttester } from '../../../src/notary/root-of-trust/tpm/attester.ts';
import type { SoftTpm } from './swtpm.ts';

const ZEROS = '0'.repeat(64);
const zeroPcrs = [0, 7].map((index) => ({ index, sha256: [ZEROS] }));

export const attesterOf = (tpm: SoftTpm): Attester => new TpmAttester(tpm.open());

export type Answered = NonNullable<EdgeDeviceStatus['attester']> & {
  answer: NonNullable<NonNullable<EdgeDeviceStatus['attester']>['answer']>;
};

/** The controller's reconciler and the agent's, with one device between them as the API server would hold it. */
export class Setting {
  /** That of the certificates which are made here. */
  now = Date.now() + 60_000;
  device: EdgeDevice;
  bootId = 'boot-1';
  attester: () => Attester;
  #node: NodeAttester | undefined;
  #integrity: DeviceIntegrity | undefined;
  readonly writes: EdgeDeviceStatus[] = [];

  constructor(tpm: SoftTpm, boot: Partial<EdgeDeviceSpecMeasuredBoot> = {}) {
    this.attester = () => attesterOf(tpm);
    const defaults = { mode: 'Enforce', interval: '10m', applicationPCR: 23, pcrs: zeroPcrs };
    this.device = {
      metadata: { name: 'node-1', uid: 'd', generation: 1 },
      spec: { measuredBoot: { ...defaults, ...boot } },
    } as unknown as EdgeDevice;
  }

  /** The controller looks; gives when it wants to look again. */
  async controller(): Promise<number | undefined> {
    this.#integrity ??= new DeviceIntegrity({
      clock: { now: () => this.now },
      devices: { get: () => this.device, list: () => [this.device], by: () => [] },
      status: {
        latest: (device) => device,
        forget: () => undefined,
        write: (_, status) => {
          this.writes.push(status);
          const { attester } = this.device.status ?? {};
          this.device = { ...this.device, status: { ...status, ...(attester && { attester }) } };
          return Promise.resolve();
        },
      },
    });
    return (await this.#integrity.reconcile('node-1')).requeueAfterMs;
  }

  /** Another process takes over. */
  restartController(): void {
    this.#integrity = undefined;
  }

  reboot(bootId: string): void {
    this.bootId = bootId;
    this.#node = undefined;
  }

  async agent(): Promise<void> {
    const ask = <T>(question: (attester: Attester) => T): Promise<T> =>
      Promise.resolve().then(() => question(this.attester()));
    this.#node ??= new NodeAttester({
      bootId: this.bootId,
      notary: {
        attesterKeys: () => ask((attester) => attester.keys()),
        activateCredential: (credential) => ask((attester) => attester.activate(credential)),
        quote: ({ nonce, pcrs }) => ask((attester) => attester.quote(nonce, pcrs)),
      },
    });
    this.tell(await this.#node.attest(this.device));
  }

  tell(attester: EdgeDeviceStatus['attester']): void {
    this.device = { ...this.device, status: { ...this.device.status, ...(attester && { attester }) } };
  }

  /** Keys told, challenged, answered, judged. */
  async round(change: (attester: Answered) => Answered = (same) => same): Promise<void> {
    await this.agent();
    await this.controller();
    await this.agent();
    this.tell(change(this.device.status!.attester! as Answered));
    await this.controller();
  }

  get verdict(): { status?: string; reason?: string; message?: string } {
    return findCondition(this.device.status?.conditions, 'IntegrityVerified') ?? {};
  }
}
