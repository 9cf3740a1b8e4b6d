// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SPIFFE_SOCKET } from '../../../src/api/names.ts';
import { AgentWorkload, type AgentWorkloadParts } from '../../../src/bin/agent/workload.ts';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { createLogger } from '../../../src/log.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { anIdentity, aPod, aProcess } from '../../fakes/agent.ts';

let folder: string;
let workload: AgentWorkload;
let client: GrpcClient;

/** Of an agent that knows the pod and its identity; its modules are not read yet. */
beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-agent-');
  const identity = anIdentity({ delivery: ['Socket'] });
  const volume = { volumeId: 'v', targetPath: folder, podUid: 'pod-1', podNamespace: 'shop', podName: 'p' };
  const parts = {
    ...{ node: 'node-1', log: createLogger('test', 'silent'), held: new HeldSockets(), startMs: 50 },
    caches: {
      identities: { get: () => identity, by: () => [identity] },
      modules: { by: () => [], awayMs: 0 },
      pods: { awayMs: 0 },
      now: () => Date.now(),
    },
    pods: { get: () => aPod() },
    runtime: { container: () => Promise.resolve(undefined), containersOf: () => Promise.resolve([]) },
    processes: { measure: (pid: number) => Promise.resolve(aProcess({ pid })) },
    volumes: { list: () => [{ ...volume, attributes: { identity: 'till' } }] },
    holding: () => undefined,
    integrity: () => undefined,
  };
  workload = new AgentWorkload(parts as unknown as AgentWorkloadParts);
  for (const each of parts.volumes.list()) workload.published(each);
  client = new GrpcClient(join(folder, SPIFFE_SOCKET), { headers: { 'workload.spiffe.io': 'true' } });
});

afterEach(() => {
  client.close();
  workload.stop();
  rmSync(folder, { recursive: true });
});

async function fetched(): Promise<void> {
  for await (const _ of client.serverStream(SpiffeWorkloadAPI.method.fetchX509SVID, {})) return;
}

describe('a call on the socket of a pod', () => {
  it('is told to come again while the agent does not know the cluster yet', async () => {
    await expect(fetched()).rejects.toMatchObject({ code: 'Unavailable' });
  });

  it('is judged once it does', async () => {
    const asked = fetched();
    workload.start();
    await expect(asked).rejects.toMatchObject({
      code: 'PermissionDenied',
      message: expect.stringContaining('ContainerUnknown'),
    });
  });
});
