// SPDX-License-Identifier: Apache-2.0
import { pushImage } from '../../src/build/image/registry.ts';
import { ALL_FILES } from '../e2e/harness.ts';
import { attackerImage, type AttackerImage } from './attacker-image.ts';
import { AttackScene } from './attack.ts';

export interface Setting {
  readonly spec?: object;
  readonly container?: object;
  readonly pod?: object;
  readonly identity?: object;
}

/** A scene whose modules are the attacker's image: they behave until they are told to begin. */
export class AttackerScene extends AttackScene {
  #attacker: AttackerImage | undefined;
  #reference = '';

  override async open(): Promise<void> {
    await super.open();
    this.#attacker = await attackerImage();
    const repository = { registry: this.lab.registry, name: 'keystead/attacker' };
    ({ reference: this.#reference } = await pushImage(this.#attacker.image, 'latest', repository));
  }

  /** The attacker's image, pinned. */
  get reference(): string {
    return this.#reference;
  }

  get attacker(): AttackerImage {
    return this.#attacker!;
  }

  /** Declares the module and its identity. */
  declare(name: string, { spec, identity }: Setting = {}): Promise<void> {
    return this.apply(
      ...this.claim(name, { images: [{ digest: this.attacker.image.index.digest }], ...spec }, identity),
    );
  }

  /** A pod of the attacker's image. */
  attackerPod(
    name: string,
    app: string,
    command: readonly string[],
    { container = {}, pod: spec = {} }: Setting = {},
  ): object {
    return this.pod(name, { app }, { image: this.reference, command, container, spec });
  }

  /** Starts the attacker as a module that behaves, which is the positive control, and gives the entry of its identity. */
  async behaving(name: string, command: readonly string[], setting: Setting = {}) {
    await this.declare(name, setting);
    await this.apply(this.attackerPod(name, name, command, setting));
    const held = await this.holder(name, 'Allowed');
    if (setting.identity === undefined) await this.filesAre(name, ALL_FILES);
    return held;
  }

  /** Has it begin its attack, and expects the identity to be taken back. */
  async caught(name: string, command: readonly string[], reason: string, setting: Setting = {}) {
    const held = await this.behaving(name, command, setting);
    await this.begin(held.podUid);
    const denied = await this.takenBack(name, held, reason);
    await this.remove(name);
    return denied;
  }
}

/** An attack in shell, after the sign to begin. The loop is that of a module that behaves. */
export const shell = (script: string): string[] => [
  '/bin/sh',
  '-c',
  `while [ ! -e /tmp/go ]; do sleep 0.2; done\n${script}\nexec sleep 1000000`,
];
