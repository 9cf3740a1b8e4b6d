// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Layer } from '../../src/build/image/layer.ts';
import { baseLayer, IMAGE_PATHS } from '../../src/build/image/product.ts';
import { Scene, until } from '../e2e/harness.ts';
import { busyboxImage } from '../samples/busybox.ts';
import { pushClient, sourceLayer, type ClientSettings } from './client-image.ts';
import { npmLayer, pipLayer, programLayer, pythonLayer } from './packaged-client.ts';

const SOURCES = join(import.meta.dirname, 'azure-iot');
const HUB = 'hub.example.net';
export const GENERATION = '638012345678901234';
/** As the hub has made them. */
export const KEYS = { node: Buffer.alloc(32, 1), python: Buffer.alloc(32, 2), stranger: Buffer.alloc(32, 3) };

/**
 * Modules of an IoT Hub: Azure's official SDKs for Node and Python, unmodified, in programs that know nothing of Keystead;
 * curl; and a broker in the place of the IoT Edge hub, which knows the modules' keys as the hub does.
 */
export class AzureIotScene extends Scene {
  /** Name under which modules connect to the broker. */
  readonly gateway = `edgehub.${this.namespace}.svc.cluster.local`;

  override async open(): Promise<void> {
    await super.open();
    const { node, python, curl } = await this.#images();
    const nodeProgram = (file: string, env?: Record<string, string>): object =>
      container(node, [IMAGE_PATHS.node, `/app/${file}`], env);
    const hubKeys = Object.fromEntries(Object.entries(KEYS).map(([name, key]) => [name, key.toString('base64')]));
    const broker = nodeProgram('broker.cjs', { HUB_KEYS: JSON.stringify(hubKeys), SERVER_NAME: this.gateway });
    await this.apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: this.namespace, name: 'edgehub' },
        spec: { selector: { 'keystead.dev/module': 'edgehub' }, ports: [{ port: 8883 }] },
      },
      ...this.#hubModule('edgehub', broker, { moduleId: '$edgeHub', dnsName: this.gateway }),
    );
    // Azure's SDKs try their first connection once.
    await this.#gatewayAnswers();
    await this.apply(
      ...this.#hubModule('node', nodeProgram('client.cjs'), { keys: KEYS.node }),
      ...this.#hubModule('python', container(python, ['/usr/bin/python3', '/app/client.py']), { keys: KEYS.python }),
      // Says that it is another module than it is.
      ...this.#hubModule('wrong', nodeProgram('client.cjs', { IOTEDGE_MODULEID: 'node' }), { keys: KEYS.node }),
      // Has another key than the hub knows.
      ...this.#hubModule('stranger', nodeProgram('client.cjs'), { keys: Buffer.alloc(32, 9) }),
      ...this.#hubModule('curl', container(curl, ['/bin/sleep', '1000000']), {
        keys: KEYS.node,
        dnsName: `curl.${this.namespace}.svc`,
        process: { allowExec: true },
      }),
    );
  }

  /** The Service leads to the broker; from the host as from pods. */
  async #gatewayAnswers(): Promise<void> {
    await this.says('edgehub', /^serving /m);
    const address = await this.run('get', 'service', 'edgehub', '-o', 'jsonpath={.spec.clusterIP}');
    await until('a connection to the gateway', 60, async () => (await connects(address, 8883)) || 'refused');
  }

  logOf(module: string): Promise<string> {
    return this.run('logs', `deploy/${module}`, '--tail=-1').catch(String);
  }

  /** Waits until the log of a module says something, and gives the match. */
  says(module: string, pattern: RegExp, seconds = 180): Promise<RegExpExecArray> {
    return until(`${pattern.source} in the log of ${module}`, seconds, async () => {
      const log = await this.logOf(module);
      return pattern.exec(log) ?? log.slice(-800);
    });
  }

  /** The ends of the tokens by which a module has connected so far. */
  async tokenEnds(module: string): Promise<number[]> {
    const log = await this.logOf('edgehub');
    return [...log.matchAll(new RegExp(`^connected \\S+/${module} until=(\\d+)`, 'gm'))].map(([, end]) => Number(end));
  }

  async #images(): Promise<Record<'node' | 'python' | 'curl', string>> {
    const [npm, pip] = [await npmLayer(join(SOURCES, 'node')), await pipLayer(join(SOURCES, 'python'))];
    const nodeLayers = [await baseLayer(), npm, await programs('node', 'client.cjs', 'broker.cjs')];
    const pythonLayers = [await pythonLayer(), pip, await programs('python', 'client.py')];
    const { layers } = await busyboxImage('curl');
    const env = ['PYTHONPATH=/app/packages', 'PYTHONDONTWRITEBYTECODE=1'];
    return {
      node: await this.#push('azure-iot-node', nodeLayers, { entrypoint: [IMAGE_PATHS.node], workingDir: '/app' }),
      python: await this.#push('azure-iot-python', pythonLayers, { entrypoint: ['/usr/bin/python3'], env }),
      curl: await this.#push('curl', [...layers, await programLayer('/usr/bin/curl')], { entrypoint: ['/bin/sleep'] }),
    };
  }

  async #push(name: string, layers: readonly Layer[], settings: ClientSettings): Promise<string> {
    const [image = ''] = await pushClient({ name, registry: this.lab.registry }, layers, settings);
    return image;
  }

  /** A module of the hub with its identity, and the Secret with the keys that the hub shows for it. */
  #hubModule(name: string, container: object, { keys, moduleId, dnsName, process = {} }: HubModuleChange): object[] {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: this.namespace, name: `${name}-keys` },
      stringData: { primary: keys?.toString('base64') },
    };
    const iotEdge = {
      ...{ hubHostName: HUB, gatewayHostName: this.gateway, generationId: GENERATION },
      ...(moduleId !== undefined && { moduleId }),
      ...(keys && { keysSecretName: secret.metadata.name }),
    };
    const identity = { iotEdge, ...(dnsName !== undefined && { x509: { dnsNames: [dnsName] } }) };
    const module = this.module(name, { container, spec: { remeasureInterval: '30s', process }, identity });
    return [...(keys ? [secret] : []), ...module];
  }
}

interface HubModuleChange {
  /** The module's key; left out, one that derives from the node's master secret. */
  readonly keys?: Buffer;
  readonly moduleId?: string;
  readonly dnsName?: string;
  readonly process?: object;
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    socket.once('timeout', () => socket.destroy());
    socket.once('connect', () => socket.destroy());
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

function container(image: string, command: readonly string[], env: Record<string, string> = {}): object {
  return { image, command, env: Object.entries(env).map(([name, value]) => ({ name, value })) };
}

function programs(folder: string, ...names: readonly string[]): Promise<Layer> {
  return sourceLayer(...names.map((name) => join(SOURCES, folder, name)));
}
