// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { X509SVIDResponseSchema } from '../../src/gen/spiffe/workload_pb.js';
import { presentLab } from '../quickstart/target.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';
import { HostService, USER } from './host-service.ts';
import { Systemd } from './systemd.ts';

/** A module of the host in a unit that a real systemd runs; what it may and may not besides is in host-module.test.ts. */
const scene = new Scene('systemd');
const LIMIT = 120_000;
const NAME = 'keystead-test';
const AS = [`User=${NAME}`, `Group=${NAME}`];

let systemd: Systemd;
let programs: HostService;
let results: string;

const found = Systemd.isInstalled() ? describe : describe.skip;

found('a service that systemd runs', () => {
  beforeAll(async () => {
    await scene.open();
    programs = new HostService();
    results = programs.path('results');
    mkdirSync(results);
    chownSync(results, USER, USER);
    systemd = await Systemd.boot({ name: NAME, id: USER });
    await scene.apply(
      scene.object('EdgeModule', 'updater', {
        host: { unit: programs.unit, nodeNames: [scene.lab.nodeName] },
        process: { executables: programs.executables(), uid: USER, gid: USER },
        remeasureInterval: '1h',
      }),
      scene.object('ModuleIdentity', 'updater', { moduleRef: { name: 'updater' }, delivery: ['Volume', 'Socket'] }),
    );
  }, LIMIT);
  afterAll(async () => {
    await systemd[Symbol.asyncDispose]();
    await programs[Symbol.asyncDispose]();
    await scene.close();
  }, 180_000);

  const folder = (): string => join(presentLab()!.hostModules, scene.namespace, 'updater');
  const filesAre = (expected: readonly string[]): Promise<true> =>
    until('files of updater', 30, () => {
      const names = existsSync(folder()) ? readdirSync(folder()) : [];
      const files = names.filter((name) => !name.startsWith('.') && !name.endsWith('.sock')).sort();
      return Promise.resolve(files.join(' ') === [...expected].sort().join(' ') || files.join(' '));
    });

  it(
    'is known by the cgroup that systemd made for it, and loses its identity when systemd stops it',
    async () => {
      await filesAre(PUBLIC_FILES);
      await systemd.start(programs.unit, [...AS, `ExecStart=${programs.path('sleep')} 1000000`]);
      const holder = await scene.holder('updater', 'Allowed');
      expect(holder).toMatchObject({ pod: `node/${scene.lab.nodeName}`, container: programs.unit });
      expect(readFileSync(`/proc/${holder.pid}/cgroup`, 'utf8')).toContain(`.slice/system.slice/${programs.unit}`);
      await filesAre(ALL_FILES);
      await systemd.systemctl('stop', programs.unit);
      await scene.holder('updater', 'Ended', ({ reason }) => reason === 'ProcessEnded');
      await filesAre(PUBLIC_FILES);
    },
    LIMIT,
  );

  /** What the SPIFFE socket says to curl as the program of a unit. */
  async function fetchSvid(unit: string, settings: readonly string[]): Promise<{ body: Buffer; headers: string }> {
    const [body, headers] = [join(results, `${unit}.body`), join(results, `${unit}.headers`)];
    const curl = [
      ...[programs.path('curl'), '--silent', '--max-time 3', '--http2-prior-knowledge', `--output ${body}`],
      ...[`--dump-header ${headers}`, `--unix-socket ${join(folder(), 'spiffe.sock')}`],
      ...['content-type:application/grpc', 'te:trailers', 'workload.spiffe.io:true'].map(
        (header) => `--header ${header}`,
      ),
      ...[`--data-binary @${programs.emptyMessage}`, 'http://localhost/SpiffeWorkloadAPI/FetchX509SVID'],
    ].join(' ');
    // curl ends by its time limit where the stream stays open.
    await systemd.start(unit, [...AS, 'Type=oneshot', 'SuccessExitStatus=28', ...settings, `ExecStart=${curl}`]);
    return { body: existsSync(body) ? readFileSync(body) : Buffer.alloc(0), headers: readFileSync(headers, 'utf8') };
  }

  it(
    'is answered on its socket, in whatever slice it is; the same program in another unit is refused',
    async () => {
      const { body, headers } = await fetchSvid(programs.unit, ['Slice=plant-line.slice']);
      expect(headers).toContain('HTTP/2 200');
      const { svids } = fromBinary(X509SVIDResponseSchema, body.subarray(5, 5 + body.readUInt32BE(1)));
      const spiffeId = `spiffe://edge.example.org/ns/${scene.namespace}/module/updater`;
      expect(svids.map((svid) => svid.spiffeId)).toEqual([spiffeId]);

      const other = await fetchSvid('keystead-test-other.service', []);
      expect(other.headers).toMatch(/grpc-status: 7/);
      expect(decodeURIComponent(other.headers)).toContain(`UnitMismatch: expected a process of ${programs.unit}`);
      expect(other.body).toHaveLength(0);
    },
    LIMIT,
  );
});
