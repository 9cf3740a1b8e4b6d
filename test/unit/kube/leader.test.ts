// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { KubeClient } from '../../../src/kube/client.ts';
import { LeaderElection } from '../../../src/kube/leader.ts';
import { createLogger } from '../../../src/log.ts';
import { FakeApiServer } from '../../fakes/api-server.ts';

const LEASES = 'coordination.k8s.io/v1/leases';
const TIMING = { leaseMs: 300, renewWithinMs: 150, retryMs: 30 };
const log = createLogger('test', 'silent');

interface Candidate {
  readonly election: LeaderElection;
  readonly terms: string[];
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

let server: FakeApiServer;
const candidates: Candidate[] = [];
const clients: KubeClient[] = [];

beforeEach(async () => {
  server = await FakeApiServer.start();
});

afterEach(async () => {
  for (const { stop } of candidates) stop.abort();
  await Promise.all(candidates.splice(0).map(({ done }) => done));
  for (const client of clients.splice(0)) client.close();
  await server.down();
});

function stand(identity: string, lead?: (signal: AbortSignal) => Promise<void>): Candidate {
  const client = new KubeClient(server.access);
  clients.push(client);
  const election = new LeaderElection({ client, log, namespace: 'ns', name: 'lease', identity, timing: TIMING });
  const terms: string[] = [];
  const stop = new AbortController();
  const untilAborted = async (signal: AbortSignal): Promise<void> => {
    terms.push('begin');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    terms.push('end');
  };
  const candidate = { election, terms, stop, done: election.run(stop.signal, lead ?? untilAborted) };
  candidates.push(candidate);
  return candidate;
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never became true: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function holder(): string | undefined {
  const lease = server.get(LEASES, 'lease', 'ns') as { spec?: { holderIdentity?: string } } | undefined;
  return lease?.spec?.holderIdentity;
}

describe('of two candidates', () => {
  it('one leads, and the other at once after it has stopped', async () => {
    const first = stand('first');
    await until(() => first.election.leading);
    const second = stand('second');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect([first.election.leading, second.election.leading]).toEqual([true, false]);
    expect(holder()).toBe('first');
    first.stop.abort();
    await first.done;
    expect(holder()).toBe('');
    const freedAt = Date.now();
    await until(() => second.election.leading);
    expect(Date.now() - freedAt).toBeLessThan(200);
    expect(first.terms).toEqual(['begin', 'end']);
  });

  it('the other takes over when the leader falls silent, though their clocks disagree', async () => {
    const past = new Date(Date.now() + 3_600_000).toISOString();
    server.put(LEASES, {
      metadata: { namespace: 'ns', name: 'lease' },
      spec: { holderIdentity: 'crashed', leaseDurationSeconds: 1, renewTime: past, leaseTransitions: 3 },
    });
    const startedAt = Date.now();
    const second = stand('second');
    await until(() => second.election.leading);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1000);
    expect(server.get(LEASES, 'lease', 'ns')).toMatchObject({ spec: { leaseTransitions: 4, leaseDurationSeconds: 1 } });
  });

  it('the other takes nothing over because its clock is put forward', async () => {
    server.put(LEASES, {
      metadata: { namespace: 'ns', name: 'lease' },
      spec: { holderIdentity: 'slow', leaseDurationSeconds: 1, renewTime: new Date().toISOString() },
    });
    const second = stand('second');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = Date.now.bind(Date);
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    clock.mockRestore();
    expect([second.terms, holder()]).toEqual([[], 'slow']);
    // The control: it does so once it has seen the lease unchanged for as long as that lasts.
    await until(() => second.election.leading);
  });

  it('only one wins a race for a free lease', async () => {
    const both = [stand('first'), stand('second')];
    await until(() => both.some(({ election }) => election.leading));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(both.filter(({ election }) => election.leading)).toHaveLength(1);
  });
});

describe('a leader', () => {
  it('stops leading when it cannot renew, and leads again when the server is back', async () => {
    const only = stand('only');
    await until(() => only.election.leading);
    await server.down();
    await until(() => !only.election.leading);
    expect(only.terms).toEqual(['begin', 'end']);
    await server.up();
    await until(() => only.election.leading);
    expect(only.terms).toEqual(['begin', 'end', 'begin']);
  });

  it('stops leading when another has taken the lease', async () => {
    const only = stand('only');
    await until(() => only.election.leading);
    server.put(LEASES, {
      metadata: { namespace: 'ns', name: 'lease' },
      spec: { holderIdentity: 'usurper', leaseDurationSeconds: 60, renewTime: new Date().toISOString() },
    });
    await until(() => !only.election.leading);
    expect(holder()).toBe('usurper');
  });

  it('frees the lease only after its work has ended', async () => {
    const order: string[] = [];
    const only = stand('only', async (signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push(`work ended, lease held by ${holder() ?? 'nobody'}`);
    });
    await until(() => only.election.leading);
    only.stop.abort();
    await only.done;
    expect(order).toEqual(['work ended, lease held by only']);
    expect(holder()).toBe('');
  });
});
