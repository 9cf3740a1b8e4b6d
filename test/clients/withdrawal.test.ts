// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { logFiles } from '../../src/audit/files.ts';
import { crlsIn, readCrl } from '../../src/issue/crl-reader.ts';
import { Api } from '../e2e/api.ts';
import { Scene, until } from '../e2e/harness.ts';
import { processesOfPod } from '../e2e/pod-processes.ts';
import { msUntilWithdrawn, volumeOf } from '../e2e/withdrawal-time.ts';
import { pushGoClient } from './go-client.ts';

/** Everything that a module loses with its identity, and everywhere that it is told, after one change of its EdgeModule. */
const scene = new Scene('loses');
const PRESS = { delivery: ['Volume', 'Socket'], token: { audiences: ['server'], duration: '10m' } };
const BOUND_MS = 10_000;
let api: Api;
let press: Awaited<ReturnType<Scene['holder']>>;
let peer: typeof press;
let volume: string;
/** When the module was changed, and how long after that its certificate was gone. */
let changedAt: number;
let withdrawnMs: number;

beforeAll(async () => {
  await scene.open();
  api = await Api.open(scene.kubectl);
  const [image = ''] = await pushGoClient(join(import.meta.dirname, 'go-spiffe'), ['module'], scene.lab.registry);
  const digest = image.slice(image.indexOf('@') + 1);
  for (const [name, identity, file] of [
    ['press', PRESS, 'TOKEN_FILE'],
    ['peer', { delivery: ['Volume', 'Socket'] }, 'VALIDATE_FILE'],
  ] as const) {
    const env = {
      SPIFFE_ENDPOINT_SOCKET: 'unix:///var/run/keystead/spiffe.sock',
      AUDIENCE: 'server',
      [file]: '/data/token',
    };
    const container = {
      env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
      volumeMounts: [
        { name: 'identity', mountPath: '/var/run/keystead', readOnly: true },
        { name: 'data', mountPath: '/data' },
      ],
    };
    const csi = { driver: 'csi.keystead.dev', readOnly: true };
    const volumes = [
      { name: 'identity', csi },
      { name: 'data', emptyDir: {} },
    ];
    const selector = { matchLabels: { app: name } };
    await scene.apply(
      scene.object('EdgeModule', name, { selector, images: [{ digest }], remeasureInterval: '10m' }),
      scene.object('ModuleIdentity', name, { moduleRef: { name }, ...identity }),
      scene.pod(name, { app: name }, { image, command: ['/client'], container, spec: { volumes } }),
    );
  }
  press = await scene.holder('press', 'Allowed', ({ pid }) => pid !== undefined);
  peer = await scene.holder('peer', 'Allowed', ({ pid }) => pid !== undefined);
  await says('press', /^token-file err=<nil>$/m);
  copyFileSync(dataOf(press, 'token'), dataOf(peer, 'token'));
  await says('peer', /^validate-ok$/m);
  volume = volumeOf(scene.lab.kubeletRoot, press.podUid);
  changedAt = Date.now();
  withdrawnMs = await msUntilWithdrawn(volume, async () => {
    const at = uptime();
    const images = [{ digest: `sha256:${'0'.repeat(64)}` }];
    const path = `/apis/keystead.dev/v1alpha1/namespaces/${scene.namespace}/edgemodules/press`;
    expect(await api.patch(path, { spec: { images } })).toMatchObject({ status: 200 });
    return at;
  });
}, 300_000);
afterAll(async () => {
  api.close();
  await scene.leave();
}, 180_000);

const LIMIT = 60_000;

function dataOf({ podUid }: typeof press, name: string): string {
  const roots = processesOfPod(podUid).map((pid) => `/proc/${pid}/root/data`);
  return join(roots.find((root) => existsSync(root)) ?? '', name);
}

/** Waits until the log of a pod says something, and gives the line's time. */
async function says(pod: string, pattern: RegExp): Promise<number> {
  const { at } = await until(`${pattern.source} in the log of ${pod}`, 60, async () => {
    const lines = (await scene.run('logs', '--timestamps', pod).catch(String)).split('\n');
    const [time, ...rest] = lines.find((line) => pattern.test(line.replace(/^\S+ /, '')))?.split(' ') ?? [];
    return rest.length > 0 ? { at: Date.parse(time ?? '') } : lines.slice(-5).join('\n');
  });
  return at;
}

function inTime(what: string, at: number): void {
  console.log(`${what}: ${at - changedAt} ms after the change`);
  expect(at - changedAt).toBeLessThan(BOUND_MS);
}

describe('a module that is refused after it was attested', () => {
  it('loses its files', () => {
    inTime('files gone', changedAt + withdrawnMs);
  });

  it(
    'is cut off from the open stream of its socket, with the reason',
    async () => {
      inTime('stream closed', await says('press', /^watch-error .*code = PermissionDenied desc = ImageDigestMismatch/));
    },
    LIMIT,
  );

  it(
    'finds its token refused by others',
    async () => {
      inTime('token refused', await says('peer', /^validate-error .*revoked/));
    },
    LIMIT,
  );

  it(
    'is on the list of revoked certificates that its peers have',
    async () => {
      await until("the serial in the peer's list", 20, async () => {
        const serials = crlsIn(await scene.read('peer', 'crl.pem')).flatMap((der) => readCrl(der).serials);
        return serials.includes(press.serial!) ? (true as const) : `${serials.length} others`;
      });
    },
    LIMIT,
  );

  it(
    'is shown as Denied in the status of identity and module',
    async () => {
      expect(await scene.holder('press', 'Denied')).toMatchObject({ reason: 'ImageDigestMismatch' });
      const { reason, message } = await scene.condition('moduleidentity', 'press', 'Ready', 'False');
      expect(`${reason} ${message}`).toContain('ImageDigestMismatch');
    },
    LIMIT,
  );

  it(
    'has an Event',
    async () => {
      const selector = '--field-selector=involvedObject.name=press,reason=ImageDigestMismatch';
      await until('the Event', 20, async () => {
        const events = await scene.run('get', 'events', selector, '-o', 'name');
        return events.trim() === '' ? 'none' : { events };
      });
    },
    LIMIT,
  );

  it(
    'is counted',
    async () => {
      const node = ['-n', 'keystead-system', 'get', 'pods', '-l', 'app.kubernetes.io/component=node'];
      const ip = await scene.kubectl.run([...node, '-o', 'jsonpath={.items[0].status.podIP}']);
      const metrics = await (await fetch(`http://${ip.trim()}:9464/metrics`)).text();
      expect(metrics).toMatch(/keystead_attestations_total\{result="Denied",reason="ImageDigestMismatch"\} [1-9]/);
      for (const kind of ['certificate', 'token'])
        expect(metrics).toMatch(
          new RegExp(`keystead_revoked_total\\{kind="${kind}",reason="ImageDigestMismatch"\\} [1-9]`),
        );
    },
    LIMIT,
  );

  it('is in the audit log of the notary', () => {
    const texts = logFiles(join(scene.lab.dir, 'keystead/notary')).map(({ path }) => readFileSync(path, 'utf8'));
    const records = texts
      .join('')
      .split('\n')
      .filter((line) => line.includes(press.podUid) && line.includes('"revoked"'));
    expect(records).toHaveLength(1);
    expect(records[0]).toContain('ImageDigestMismatch');
  });

  it(
    'does not keep others from theirs',
    async () => {
      expect(await scene.holder('peer', 'Allowed')).toMatchObject({ serial: peer.serial });
      expect(await scene.run('logs', 'peer')).not.toMatch(/(?:fetch|watch)-error .*PermissionDenied/);
    },
    LIMIT,
  );
});
