// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  appendFileSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { HOST_RULES } from '../../src/attest/decide.ts';
import type { EdgeModule } from '../../src/api/v1alpha1/index.ts';
import { X509SVIDResponseSchema } from '../../src/gen/spiffe/workload_pb.js';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { presentLab } from '../quickstart/target.ts';
import { isSignedByOneOf } from './anchors.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';
import { HostService, NO_UNIT, USER, type Answer, type StartAs } from './host-service.ts';

const scene = new Scene('host');
const LIMIT = 120_000;
const CLI = resolve(import.meta.dirname, '../../src/bin/cli.ts');
const execute = promisify(execFile);

let service: HostService;
beforeAll(async () => {
  await scene.open();
  service = new HostService();
}, 120_000);
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await scene.leave();
}, 180_000);

const folderOf = (module: string): string => join(presentLab()!.hostModules, scene.namespace, module);
const filesOf = (module: string): string[] =>
  readdirSync(folderOf(module))
    .filter((name) => !name.startsWith('.') && !name.endsWith('.sock'))
    .sort();

/** A module of the host for the test's unit, with its identity of the same name. */
function module(name: string, spec: object = {}, identity: object = {}): object[] {
  return [
    scene.object('EdgeModule', name, {
      host: { unit: service.unit, nodeNames: [scene.lab.nodeName] },
      process: { executables: service.executables(), uid: USER, gid: USER },
      remeasureInterval: '1h',
      ...spec,
    }),
    scene.object('ModuleIdentity', name, { moduleRef: { name }, delivery: ['Volume', 'Socket'], ...identity }),
  ];
}

function filesAre(name: string, expected: readonly string[]): Promise<true> {
  return until(`files of ${name}`, 30, () => {
    const found = existsSync(folderOf(name)) ? filesOf(name).join(' ') : 'no folder';
    return Promise.resolve(found === [...expected].sort().join(' ') ? true : found);
  });
}

/** FetchX509SVID on the module's SPIFFE socket; the stream is cut after its first message. */
function fetchSvid(name: string, as: StartAs = {}, curl?: string): Promise<Answer> {
  const options = [
    ...['http2-prior-knowledge', 'url = "http://localhost/SpiffeWorkloadAPI/FetchX509SVID"'],
    ...['header = "content-type: application/grpc"', 'header = "te: trailers"', 'header = "workload.spiffe.io: true"'],
    `data-binary = "@${service.emptyMessage}"`,
  ];
  return service.call(join(folderOf(name), 'spiffe.sock'), options, as, curl);
}

describe('a service of the node that is what its EdgeModule allows', () => {
  it(
    'finds files and sockets of its own in its folder, which nobody else may use',
    async () => {
      await scene.apply(
        ...module('updater', {}, { iotEdge: { hubHostName: 'hub.example.org', moduleId: '$updater' } }),
      );
      await filesAre('updater', PUBLIC_FILES);
      service.start();
      const holder = await scene.holder('updater', 'Allowed');
      expect(holder).toMatchObject({ pod: `node/${scene.lab.nodeName}`, container: service.unit });
      expect(holder).toMatchObject({ executable: service.executables()[0] });
      await filesAre('updater', ALL_FILES);
      const folder = folderOf('updater');
      const leaf = new X509Certificate(readFileSync(join(folder, 'tls.crt')));
      expect(isSignedByOneOf(leaf, readFileSync(join(folder, 'ca.crt'), 'utf8'))).toBe(true);
      expect(leaf.subjectAltName).toBe(`URI:spiffe://edge.example.org/ns/${scene.namespace}/module/updater`);
      expect(statSync(join(folder, 'tls.key'))).toMatchObject({ uid: USER, gid: USER, mode: 0o100400 });
      for (const socket of ['spiffe.sock', 'workload.sock']) {
        expect(lstatSync(join(folder, socket))).toMatchObject({ uid: USER, gid: USER, mode: 0o140600 });
      }
      expect(statSync(folder)).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
      await scene.condition('edgemodule', 'updater', 'Ready', 'True');
      await scene.condition('moduleidentity', 'updater', 'Ready', 'True');
    },
    LIMIT,
  );

  it(
    'has an Event, and is explained by its EdgeModule and by its pid',
    async () => {
      await until('an Event on the EdgeModule', 30, async () => {
        const said = await scene.run(
          'get',
          'events',
          '--field-selector',
          'involvedObject.kind=EdgeModule',
          '-o',
          'json',
        );
        const { items } = JSON.parse(said) as { items: { reason: string; message?: string; note?: string }[] };
        return items.some(({ reason }) => reason === 'Attested') || said;
      });
      const { pid } = await scene.holder('updater', 'Allowed');
      const explain = async (...args: string[]): Promise<string> => {
        const env = { ...process.env, KUBECONFIG: scene.lab.kubeconfig };
        const { stdout } = await execute(process.execPath, [CLI, 'explain', ...args], { env });
        return stdout;
      };
      const byName = await explain('edgemodule/updater', '-n', scene.namespace);
      const byPid = await explain('--pid', String(pid));
      for (const said of [byName, byPid]) {
        expect(said).toContain('Allowed');
        for (const { name } of HOST_RULES) expect(said).toMatch(new RegExp(`${name} +Held`));
        expect(said).toContain(service.unit);
      }
    },
    LIMIT,
  );
});

describe('a program of the unit', () => {
  it(
    'gets its identity over the SPIFFE Workload API',
    async () => {
      const { exit, body, headers } = await fetchSvid('updater');
      // curl ends by its time limit: the stream stays open.
      expect({ exit, headers }).toMatchObject({ exit: 28, headers: expect.stringContaining('HTTP/2 200') });
      const length = body.readUInt32BE(1);
      const { svids } = fromBinary(X509SVIDResponseSchema, body.subarray(5, 5 + length));
      expect(svids.map(({ spiffeId }) => spiffeId)).toEqual([
        `spiffe://edge.example.org/ns/${scene.namespace}/module/updater`,
      ]);
    },
    LIMIT,
  );

  it(
    'has the IoT Edge Workload API sign',
    async () => {
      const identity = await scene.find<KubeObject>('moduleidentity', 'updater');
      const path = `/modules/%24updater/genid/${identity!.metadata.uid}/sign?api-version=2018-06-28`;
      const data = JSON.stringify({
        keyId: 'primary',
        algo: 'HMACSHA256',
        data: Buffer.from('hello').toString('base64'),
      });
      const answer = await sign(path, data);
      expect(answer).toMatchObject({ exit: 0, status: 200 });
      expect(Buffer.from((JSON.parse(answer.body.toString()) as { digest: string }).digest, 'base64')).toHaveLength(32);
    },
    LIMIT,
  );
});

function sign(path: string, data: string, as: StartAs = {}, curl?: string): Promise<Answer> {
  const options = [`url = "http://localhost${path}"`, 'header = "content-type: application/json"'];
  const escaped = data.replaceAll('"', '\\"');
  return service.call(join(folderOf('updater'), 'workload.sock'), [...options, `data = "${escaped}"`], as, curl);
}

describe('an impostor of the unit', () => {
  /** By both sockets, with the reason that it is told. */
  async function isRefused(reason: string, as: StartAs, curl?: string): Promise<void> {
    const grpc = await fetchSvid('updater', as, curl);
    expect(grpc).toMatchObject({ exit: 0, headers: expect.stringMatching(/grpc-status: 7/) });
    expect(decodeURIComponent(grpc.headers)).toContain(reason);
    expect(grpc.body).toHaveLength(0);
    const http = await sign('/modules/%24updater/genid/1/sign?api-version=2018-06-28', '{}', as, curl);
    expect(http).toMatchObject({ exit: 0, status: 403 });
    expect(http.body.toString()).toContain(reason);
  }

  it(
    'with another executable is refused',
    async () => {
      const other = service.path('other');
      copyFileSync('/usr/bin/curl', other);
      await isRefused('ExecutableNotAllowed: expected', {}, other);
      appendFileSync(other, 'x');
      await isRefused('ExecutableNotAllowed: expected', {}, other);
    },
    LIMIT,
  );

  it(
    'whose program is as listed, but lies where its own user may change it, is refused; once root has it again it is not',
    async () => {
      const program = service.path('curl');
      chownSync(program, USER, USER);
      try {
        await isRefused(`CodeNotFromImage: expected all code from files that root alone may write`, {});
      } finally {
        chownSync(program, 0, 0);
      }
      expect(await fetchSvid('updater')).toMatchObject({ exit: 28 });
    },
    LIMIT,
  );

  it(
    'of another user is refused, where the socket’s permissions let him come so far',
    async () => {
      await isRefused(`CredentialsMismatch: expected uid ${USER}, found uid 0`, { uid: 0 });
      // curl: cannot connect.
      expect(await fetchSvid('updater', { uid: USER + 1 })).toMatchObject({ exit: 7, status: 0 });
    },
    LIMIT,
  );

  it(
    'in another cgroup is refused',
    async () => {
      await isRefused(`UnitMismatch: expected a process of ${service.unit}`, { unit: NO_UNIT });
      await isRefused('found one of keystead-test-other.service', { unit: 'keystead-test-other.service' });
    },
    LIMIT,
  );

  it(
    'has not taken anything from the service',
    async () => {
      expect(filesOf('updater')).toEqual([...ALL_FILES].sort());
      expect(await fetchSvid('updater')).toMatchObject({ exit: 28 });
    },
    LIMIT,
  );
});

describe('a service of the node that changes', () => {
  it(
    'loses its identity with its last process, and has a new one with the next',
    async () => {
      const other = new HostService();
      try {
        const spec = { host: { unit: other.unit, nodeNames: [scene.lab.nodeName] }, remeasureInterval: '1s' };
        const process = { executables: other.executables(), uid: USER };
        await scene.apply(...module('sensor', { ...spec, process }));
        const first = other.start();
        const held = await scene.holder('sensor', 'Allowed');
        await other.stop(first);
        await scene.holder('sensor', 'Ended', ({ reason }) => reason === 'ProcessEnded');
        await filesAre('sensor', PUBLIC_FILES);
        other.start();
        const again = await scene.holder('sensor', 'Allowed', ({ serial }) => serial !== held.serial);
        await filesAre('sensor', ALL_FILES);

        // A strange process in the unit: all of it is refused, until it ends.
        const stranger = other.start({ uid: 0 });
        const denied = await scene.holder('sensor', 'Denied');
        expect(denied).toMatchObject({ reason: 'CredentialsMismatch', pid: stranger.pid });
        await filesAre('sensor', PUBLIC_FILES);
        const { reason } = await scene.condition('edgemodule', 'sensor', 'Attested', 'False');
        expect(reason).toBe('CredentialsMismatch');
        await other.stop(stranger);
        const recovered = await scene.holder('sensor', 'Allowed', ({ serial }) => serial !== again.serial);
        expect(recovered.pid).toBe(again.pid);
      } finally {
        await other[Symbol.asyncDispose]();
      }
    },
    LIMIT,
  );

  it(
    'gets nothing in ways that need a pod, and is told so',
    async () => {
      await scene.apply(...module('secretive', {}, { delivery: ['Secret'] }));
      expect(await scene.holder('secretive', 'Denied')).toMatchObject({ reason: 'PodNeeded' });
    },
    LIMIT,
  );

  it(
    'has no folder any more once its EdgeModule is deleted',
    async () => {
      await scene.run('delete', 'edgemodule', 'updater');
      await until('the folder to go', 30, () => Promise.resolve(!existsSync(folderOf('updater')) || 'it is there'));
      const others = await scene.find<EdgeModule & KubeObject>('edgemodule', 'sensor');
      expect(others).toBeDefined();
    },
    LIMIT,
  );
});
