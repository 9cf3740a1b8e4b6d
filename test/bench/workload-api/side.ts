// SPDX-License-Identifier: Apache-2.0
import { Scene, until } from '../../e2e/harness.ts';
import { pidsOf } from '../../chaos/processes.ts';
import { processorMs, pssMegabytes } from './processor-time.ts';
import type { Spire } from './spire.ts';

/** What one run of the caller says; times in milliseconds. */
export interface Calls {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly errors: readonly string[];
}

/** A Workload API with pods of the same program as its callers. */
export interface Side {
  readonly name: string;
  /** The processes that answer, by name. */
  pids(): Readonly<Record<string, number>>;
  /** A pod that calls. */
  pod(name: string): object;
}

const PORT = 8080;
const MOUNT = '/run/spire';

export async function keysteadSide(scene: Scene, image: string): Promise<Side> {
  const digest = image.slice(image.indexOf('@') + 1);
  await scene.apply(
    scene.object('EdgeModule', 'caller', { selector: { matchLabels: { app: 'caller' } }, images: [{ digest }] }),
    scene.object('ModuleIdentity', 'caller', {
      moduleRef: { name: 'caller' },
      delivery: ['Socket'],
      token: { audiences: ['*'], duration: '5m' },
      iotEdge: {
        hubHostName: 'hub.example.net',
        gatewayHostName: 'edgehub.example.net',
        moduleId: 'caller',
        generationId: '1',
      },
    }),
  );
  // Starts are measured, not how soon a module that was applied this moment is known everywhere.
  await scene.condition('moduleidentity', 'caller', 'Ready', 'False');
  const container = {
    env: [
      socketVariable('/var/run/keystead/spiffe.sock'),
      { name: 'IOTEDGE_WORKLOADURI', value: 'unix:///var/run/keystead/workload.sock' },
      { name: 'IOTEDGE_MODULEID', value: 'caller' },
      { name: 'IOTEDGE_MODULEGENERATIONID', value: '1' },
    ],
  };
  const pids = (): Record<string, number> =>
    Object.fromEntries(
      (['controller', 'supervisor', 'agent', 'notary'] as const).map((program) => [program, pidsOf(program)[0]!]),
    );
  return {
    name: 'Keystead',
    pids,
    pod: (name) => scene.pod(name, { app: 'caller' }, { image, command: ['/client'], container }),
  };
}

export async function spireSide(scene: Scene, image: string, spire: Spire): Promise<Side> {
  await spire.register(scene.namespace);
  const pod = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: scene.namespace, name },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image,
          env: [socketVariable(`${MOUNT}/agent.sock`)],
          volumeMounts: [{ name: 'socket', mountPath: MOUNT, readOnly: true }],
        },
      ],
      volumes: [{ name: 'socket', hostPath: { path: spire.socketFolder } }],
    },
  });
  return { name: 'SPIRE', pids: () => spire.pids, pod };
}

function socketVariable(path: string): object {
  return { name: 'SPIFFE_ENDPOINT_SOCKET', value: `unix://${path}` };
}

/** A caller's pod that runs. */
export class CallerPod {
  readonly side: Side;
  readonly #address: string;

  private constructor(side: Side, address: string) {
    this.side = side;
    this.#address = address;
  }

  /** Starts it; resolves with it when it has an identity, and with the milliseconds that this took from its first line. */
  static async start(
    scene: Scene,
    side: Side,
    name: string,
  ): Promise<{ readonly pod: CallerPod; readonly firstMs: number }> {
    await scene.apply(side.pod(name));
    const address = await until(`address of ${name}`, 60, async () => {
      const ip = await scene.run('get', 'pod', name, '-o', 'jsonpath={.status.podIP}');
      const running = await scene.run('get', 'pod', name, '-o', 'jsonpath={.status.phase}');
      return running === 'Running' && ip !== '' ? { ip } : running;
    });
    const pod = new CallerPod(side, address.ip);
    const { ms } = await pod.#ask<{ ms: number }>('first');
    return { pod, firstMs: ms };
  }

  calls(kind: string, callers: number, seconds: number, rate = 0): Promise<Calls> {
    return this.#ask(`run?kind=${kind}&callers=${callers}&seconds=${seconds}&rate=${rate}`);
  }

  async #ask<T>(path: string): Promise<T> {
    for (let left = 40; ; left--) {
      try {
        const response = await fetch(`http://${this.#address}:${PORT}/${path}`);
        return (await response.json()) as T;
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

/** Processor time of a side's processes while something runs, milliseconds, by process. */
export async function processorOf<T>(
  side: Side,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly ms: number }> {
  const pids = Object.values(side.pids());
  const before = processorMs(pids);
  const result = await work();
  return { result, ms: processorMs(pids) - before };
}

export function memoryOf(side: Side): Record<string, number> {
  const each = Object.entries(side.pids()).map(([name, pid]) => [name, pssMegabytes(pid)] as const);
  const total = Math.round(each.reduce((sum, [, megabytes]) => sum + megabytes, 0) * 10) / 10;
  return { ...Object.fromEntries(each), total };
}
