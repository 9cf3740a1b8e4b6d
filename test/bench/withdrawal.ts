// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import { findCondition } from '../../src/api/conditions.ts';
import { crlsIn, readCrl } from '../../src/issue/crl-reader.ts';
import { pushGoClient } from '../clients/go-client.ts';
import { Api } from '../e2e/api.ts';
import { Scene, until } from '../e2e/harness.ts';
import { processStarted, volumeOf } from '../e2e/withdrawal-time.ts';
import { quantile } from './quantile.ts';

/** What leads to a withdrawal: the module no longer allows the image, somebody executes something in the container, the process ends. */
export const TRIGGERS = ['change', 'exec', 'end'] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** What is taken: the certificate's file, the stream of a socket, the certificate by the list in a neighbour's volume, the token by a neighbour's socket; and the identity's condition Ready. */
export const TAKEN = ['file', 'stream', 'crl', 'token', 'condition'] as const;
export type Taken = (typeof TAKEN)[number];

/** Milliseconds from the trigger. */
export interface Quantiles {
  readonly p50: number;
  readonly worst: number;
}

/** A process that has ended has no stream. */
export type Withdrawal = Readonly<Record<Trigger, Partial<Readonly<Record<Taken, Quantiles>>>>>;

const PORT = 8080;
const POLL_MS = 3;
/** Of the API server, which has other work. */
const ASK_MS = 15;
const LIMIT_S = 30;
const EXEC_SECONDS = '5';

/** From the trigger until all of it is taken, milliseconds. */
export const WITHDRAWAL_GOAL_MS = 1_000;

/** Withdraws as many identities by each trigger, one after the other, each of a pod of its own. */
export async function measureWithdrawal(rounds: number): Promise<Withdrawal> {
  const scene = new Scene('bench-withdraw');
  await scene.open();
  const api = await Api.open(scene.kubectl);
  try {
    const [image = ''] = await pushGoClient(join(import.meta.dirname, 'witness'), ['bench'], scene.lab.registry);
    const node = new Node(scene, api, image);
    const neighbour = await node.witness('neighbour');
    const found = {} as Record<Trigger, Withdrawal[Trigger]>;
    for (const trigger of TRIGGERS) {
      const taken: Partial<Record<Taken, number>>[] = [];
      for (let round = 0; round < rounds; round++) {
        taken.push(await node.withdraw(await node.witness(`${trigger}-${round}`), neighbour, trigger));
      }
      found[trigger] = Object.fromEntries(
        TAKEN.filter((what) => taken[0]?.[what] !== undefined).map((what) => {
          const sorted = taken.map((each) => each[what] ?? Infinity).sort((left, right) => left - right);
          return [what, { p50: quantile(sorted, 0.5), worst: sorted.at(-1) ?? 0 }];
        }),
      );
    }
    return found;
  } finally {
    api.close();
    await scene.close();
  }
}

interface Witness {
  readonly name: string;
  readonly podUid: string;
  readonly pid: number;
  readonly serial: string;
  readonly address: string;
  readonly volume: string;
}

class Node {
  readonly #scene: Scene;
  readonly #api: Api;
  readonly #image: string;

  constructor(scene: Scene, api: Api, image: string) {
    this.#scene = scene;
    this.#api = api;
    this.#image = image;
  }

  /** A module with one pod of the witness, once that holds its identity. It is measured again too seldom to notice anything by that. */
  async witness(name: string): Promise<Witness> {
    const scene = this.#scene;
    const digest = this.#image.slice(this.#image.indexOf('@') + 1);
    const selector = { matchLabels: { app: name } };
    const env = [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///var/run/keystead/spiffe.sock' }];
    const container = { command: ['/client'], env };
    await scene.apply(
      scene.object('EdgeModule', name, { selector, images: [{ digest }], remeasureInterval: '10m' }),
      scene.object('ModuleIdentity', name, {
        moduleRef: { name },
        delivery: ['Volume', 'Socket'],
        token: { audiences: ['bench'], duration: '10m' },
      }),
      scene.pod(name, { app: name }, { image: this.#image, container, spec: { restartPolicy: 'Never' } }),
    );
    const { podUid, pid, serial } = await scene.holder(name, 'Allowed', (holder) => holder.pid !== undefined);
    const address = await until(`address of ${name}`, LIMIT_S, async () => {
      const ip = await scene.run('get', 'pod', name, '-o', 'jsonpath={.status.podIP}');
      return ip === '' ? 'none' : { ip };
    });
    const volume = volumeOf(scene.lab.kubeletRoot, podUid);
    return { name, podUid, pid: pid!, serial: serial!, address: `http://${address.ip}:${PORT}`, volume };
  }

  /** Milliseconds from the trigger until each thing is taken. */
  async withdraw(from: Witness, neighbour: Witness, trigger: Trigger): Promise<Partial<Record<Taken, number>>> {
    await this.#is(from.name, 'True');
    const token = await answer(`${from.address}/token`);
    const times: Partial<Record<Taken, Promise<number>>> = {
      file: gone(() => !existsSync(join(from.volume, 'tls.crt'))),
      crl: gone(() => isListed(from.serial, neighbour.volume)),
      token: answer(`${neighbour.address}/refused?token=${token}`).then(Number),
      condition: this.#is(from.name, 'False'),
      ...(trigger !== 'end' && { stream: answer(`${from.address}/closed`).then(Number) }),
    };
    // The neighbour has found the token valid once, and asks again.
    await sleep(100);
    const at = await this.#pull(trigger, from);
    const taken = await Promise.all(
      Object.entries(times).map(async ([what, time]) => [what, Math.round(((await time) - at) * 1000)]),
    );
    return Object.fromEntries(taken) as Partial<Record<Taken, number>>;
  }

  /** Resolves with when it was, seconds since the boot. */
  async #pull(trigger: Trigger, { name, podUid, pid }: Witness): Promise<number> {
    switch (trigger) {
      case 'change': {
        const at = uptime();
        const images = [{ digest: `sha256:${'0'.repeat(64)}` }];
        const { status } = await this.#api.patch(this.#path('edgemodules', name), { spec: { images } });
        if (status !== 200) throw new Error(`the EdgeModule was not changed: status ${status}`);
        return at;
      }
      case 'exec':
        // It ends by itself, after everything was taken.
        void this.#scene.run('exec', name, '--', '/client', EXEC_SECONDS).catch(() => undefined);
        return processStarted(podUid, `/client ${EXEC_SECONDS}`);
      case 'end':
        process.kill(pid, 'SIGKILL');
        return uptime();
    }
  }

  async #is(name: string, expected: 'True' | 'False'): Promise<number> {
    return within(`Ready=${expected} of ${name}`, ASK_MS, async () => {
      const { status } = (await this.#api.get(this.#path('moduleidentities', name))).body as Partial<ModuleIdentity>;
      return findCondition(status?.conditions, 'Ready')?.status === expected;
    });
  }

  #path(plural: string, name: string): string {
    return `/apis/keystead.dev/v1alpha1/namespaces/${this.#scene.namespace}/${plural}/${name}`;
  }
}

const gone = (look: () => boolean): Promise<number> => within('withdrawal', POLL_MS, () => Promise.resolve(look()));

/** When it was so for the first time, seconds since the boot. */
async function within(what: string, pollMs: number, look: () => Promise<boolean>): Promise<number> {
  const deadline = performance.now() + LIMIT_S * 1000;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${LIMIT_S} s`);
    await sleep(pollMs);
  }
  return uptime();
}

function isListed(serial: string, volume: string): boolean {
  const lists = crlsIn(readFileSync(join(volume, 'crl.pem'), 'utf8'));
  return lists.some((der) => readCrl(der).serials.includes(serial));
}

/** Throws where the answer is an error. */
async function answer(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${text}`);
  return text;
}
