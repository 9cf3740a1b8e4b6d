// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { Layer } from '../../src/build/image/layer.ts';
import { Scene, until } from '../e2e/harness.ts';
import { pushClient, sourceLayer } from './client-image.ts';
import { JAVA, jarLayer, javaLayer } from './java-client.ts';
import { isInstalled, pipLayer, pythonLayer } from './packaged-client.ts';
import { rustLayer } from './rust-client.ts';

/** The SPIFFE libraries of other languages than Go's, as published, each in a module that knows nothing of Keystead. */
const scene = new Scene('spiffe');
const SOCKET = { name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///var/run/keystead/spiffe.sock' };

interface Library {
  readonly layers: (folder: string) => Promise<Layer[]>;
  readonly command: readonly string[];
  readonly env?: readonly string[];
  /** Programs that build it. */
  readonly needs: readonly string[];
}

const LIBRARIES: Record<string, Library> = {
  python: {
    layers: async (folder) => [await pythonLayer(), await pipLayer(folder), await sourceLayer(join(folder, 'main.py'))],
    command: ['/usr/bin/python3', '/app/main.py'],
    env: ['PYTHONPATH=/app/packages', 'PYTHONDONTWRITEBYTECODE=1'],
    needs: [],
  },
  rust: {
    layers: async (folder) => [await rustLayer(folder)],
    command: ['/client'],
    needs: ['cargo'],
  },
  java: {
    layers: async (folder) => [await javaLayer(), await jarLayer(folder)],
    command: [`${JAVA.bin}/java`, '-Xmx96m', '-XX:+UseSerialGC', '-cp', JAVA.classPath, 'Main'],
    needs: ['jlink', 'mvn'],
  },
};

const here = (name: string): boolean => {
  const missing = LIBRARIES[name]!.needs.filter((program) => !isInstalled(program));
  for (const program of missing) console.warn(`the client for ${name} is left out: ${program} is not installed`);
  return missing.length === 0;
};

const names = Object.keys(LIBRARIES).filter(here);

beforeAll(async () => {
  await scene.open();
  for (const name of names) await start(name, LIBRARIES[name]!);
}, 900_000);
afterAll(() => scene.leave(), 180_000);

/** A pod of the module, and one that is the same but for the digest of its image. */
async function start(name: string, { layers, command, env = [] }: Library): Promise<void> {
  const settings = { entrypoint: command, env };
  const target = { name: `spiffe-${name}`, registry: scene.lab.registry };
  const made = await layers(join(import.meta.dirname, `spiffe-${name}`));
  const [module = '', foreign = ''] = await pushClient(target, made, settings, ['module', 'foreign']);
  const pod = (suffix: string, image: string): object =>
    scene.pod(`${name}${suffix}`, { app: name }, { image, command, container: { env: [SOCKET] } });
  await scene.apply(
    scene.object('EdgeModule', name, {
      selector: { matchLabels: { app: name } },
      images: [{ digest: module.slice(module.indexOf('@') + 1) }],
    }),
    scene.object('ModuleIdentity', name, {
      moduleRef: { name },
      delivery: ['Socket'],
      x509: { duration: '1m', renewAtPercent: 20 },
      token: { audiences: ['server'], duration: '1m' },
    }),
    pod('', module),
    pod('-foreign', foreign),
  );
}

/** Waits until the log of a pod says something, and gives the match. */
function says(pod: string, pattern: RegExp): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log of ${pod}`, 120, async () => {
    const log = await scene.run('logs', pod).catch(String);
    return pattern.exec(log) ?? log.slice(-1200);
  });
}

describe.each(names)('the library for %s', (name) => {
  const id = `spiffe://[^/]+/ns/${scene.namespace}/module/${name}`;

  it('gets the X.509-SVID, and each that follows it, with the trust anchors', async () => {
    const [, first, anchors] = await says(name, new RegExp(`^svid id=${id} certificate=(\\S+) anchors=(\\d+)$`, 'm'));
    expect(Number(anchors)).toBeGreaterThan(0);
    await says(name, new RegExp(`^svid id=${id} certificate=(?!${first} )\\S+ anchors=`, 'm'));
  }, 300_000);

  it('gets a JWT-SVID that the Workload API and the bundle find valid, for the audience that it may ask for', async () => {
    await says(name, new RegExp(`^jwt id=${id} validated=${id} (parsed=${id}|keys=[1-9]\\d*)$`, 'm'));
    await says(name, /^jwt-error .*AudienceNotAllowed/m);
    expect(await scene.run('logs', name)).not.toContain('other-audience granted');
  }, 300_000);

  it('is told why it gets nothing where its image is another one', async () => {
    await says(`${name}-foreign`, /-error .*ImageDigestMismatch/);
    expect(await scene.run('logs', `${name}-foreign`)).not.toMatch(/^(svid|jwt) /m);
  }, 300_000);
});
