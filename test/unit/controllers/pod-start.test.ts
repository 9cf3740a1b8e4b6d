// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { PodStart } from '../../../controllers/pod-start.ts';
import type { Holding } from '../../../src/identity/holding.ts';
import type { ContainerEvent } from '../../../src/runtime/port.ts';
import { aContainer, aModule, aPod } from '../../fakes/agent.ts';

const EVENT: ContainerEvent = {
  phase: 'Starting',
  containerId: aContainer().id,
  podUid: 'pod-1',
  containerName: 'main',
  holdMilliseconds: 1500,
};
const POD = { namespace: 'factory', name: 'press-1', annotations: { 'keystead.dev/requires-identity': 'main' } };
const ANNOTATED = { ...EVENT, pod: POD };
const ALLOWED = { verdict: 'Allowed', container: aContainer(), issued: new Map(), refused: new Map() };
const DENIED = { ...ALLOWED, verdict: 'Denied', refusal: { reason: 'ImageDigestMismatch', message: 'expected a' } };

function setting(startPolicy: 'Wait' | 'Immediate' | 'Require') {
  const state = {
    running: true,
    pod: aPod() as ReturnType<typeof aPod> | undefined,
    isModule: true,
    holding: ALLOWED as unknown as Holding,
    prepared: 0,
    stuck: false,
    slept: 0,
    halts: true,
    signals: [] as string[],
  };
  const subject = new PodStart({
    halt: (pid) => {
      state.signals.push(`stop ${pid}`);
      if (!state.halts) return undefined;
      return { release: () => state.signals.push('continue'), kill: () => state.signals.push('kill') };
    },
    held: (containerId) => state.signals.push(`held ${containerId}`),
    isRunning: () => state.running,
    podUid: ({ podUid }) => Promise.resolve(podUid),
    pod: () => Promise.resolve(state.pod),
    isModule: () => state.isModule,
    modules: () => [aModule({ startPolicy })],
    prepare: () => {
      state.prepared += 1;
      return state.stuck ? new Promise(() => undefined) : Promise.resolve();
    },
    holding: () => state.holding,
    sleep: (milliseconds) => {
      state.slept += milliseconds;
      return new Promise((resolve) => setImmediate(resolve));
    },
    refusal: (message) => new Error(message),
  });
  return { state, subject };
}

describe('the start of a module', () => {
  it.each([
    ['Wait', true],
    ['Immediate', false],
    ['Require', true],
  ] as const)('that may have its identity goes on under %s', async (policy, prepared) => {
    const { subject } = setting(policy);
    expect(await subject.hold(EVENT)).toBe(prepared);
  });

  it.each(['Wait', 'Immediate'] as const)('that was refused goes on under %s, without an identity', async (policy) => {
    const { state, subject } = setting(policy);
    state.holding = DENIED as unknown as Holding;
    await expect(subject.hold(EVENT)).resolves.toBe(policy === 'Wait');
  });

  it('that was refused does not happen under Require, and says why', async () => {
    const { state, subject } = setting('Require');
    state.holding = DENIED as unknown as Holding;
    await expect(subject.hold(EVENT)).rejects.toThrow('ImageDigestMismatch: expected a');
  });

  it('whose identity cannot be issued does not happen under Require', async () => {
    const { state, subject } = setting('Require');
    const refused = new Map([['till', { reason: 'PinLocked', message: 'unlock it' }]]);
    state.holding = { ...ALLOWED, refused } as unknown as Holding;
    await expect(subject.hold(EVENT)).rejects.toThrow('PinLocked: unlock it');
  });

  it('that could not be looked at does not happen under Require', async () => {
    const { state, subject } = setting('Require');
    state.holding = { ...ALLOWED, container: { ...aContainer(), id: 'an older one' } } as unknown as Holding;
    await expect(subject.hold(EVENT)).rejects.toThrow('NotAttested');
  });

  it('that takes too long is given up just before the runtime does, under Require', async () => {
    const { state, subject } = setting('Require');
    state.stuck = true;
    await expect(subject.hold(EVENT)).rejects.toThrow('within 1400 ms');
    expect(state.slept).toBe(1400);
  });

  it('of another container of its pod goes on under Require', async () => {
    const { state, subject } = setting('Require');
    state.holding = DENIED as unknown as Holding;
    await expect(subject.hold({ ...EVENT, containerName: 'sidecar' })).resolves.toBe(true);
  });
});

describe('an agent that has just started', () => {
  it('lets go at once what does not ask for an identity', async () => {
    const { state, subject } = setting('Require');
    state.running = false;
    expect(await subject.hold(EVENT)).toBe(false);
    expect(state).toMatchObject({ prepared: 0, slept: 0 });
  });

  it('does not let a pod start that must have its identity, but waits for a moment', async () => {
    const { state, subject } = setting('Require');
    state.running = false;
    await expect(subject.hold(ANNOTATED)).rejects.toThrow('has just started');
    expect(state.slept).toBeGreaterThanOrEqual(1400);
    const started = subject.hold(ANNOTATED);
    state.running = true;
    expect(await started).toBe(true);
  });
});

describe('a pod that is no module', () => {
  it.each(['unknown', 'of no module'])('starts at once when it is %s', async (how) => {
    const { state, subject } = setting('Require');
    if (how === 'unknown') state.pod = undefined;
    else state.isModule = false;
    expect(await subject.hold(EVENT)).toBe(false);
    expect(state.prepared).toBe(0);
  });

  it('does not start where it says that it must have an identity', async () => {
    const { state, subject } = setting('Require');
    state.isModule = false;
    await expect(subject.hold(ANNOTATED)).rejects.toThrow('no EdgeModule on this node claims the pod');
  });
});

describe('the first process of a container that says that it must have an identity', () => {
  const event = { ...ANNOTATED, pid: 4242 };

  it('is stopped at once, whatever happens to the agent, and goes on once the identity is there', async () => {
    const { state, subject } = setting('Require');
    const held = subject.hold(event);
    expect(state.signals).toEqual(['stop 4242']);
    expect(await held).toBe(true);
    expect(state.signals).toEqual(['stop 4242', `held ${event.containerId}`, 'continue']);
  });

  it('is ended where the start is refused: nobody may be there any more who would be told', async () => {
    const { state, subject } = setting('Require');
    state.holding = DENIED as unknown as Holding;
    await expect(subject.hold(event)).rejects.toThrow('ImageDigestMismatch');
    expect(state.signals).toEqual(['stop 4242', 'kill']);
  });

  it('counts as held where the runtime does not say which it is', async () => {
    const { state, subject } = setting('Require');
    await subject.hold(ANNOTATED);
    expect(state.signals).toEqual([`held ${event.containerId}`]);
  });

  it('is left alone where it executes its program already, and does not count as held', async () => {
    const { state, subject } = setting('Require');
    state.halts = false;
    expect(await subject.hold(event)).toBe(true);
    expect(state.signals).toEqual(['stop 4242']);
  });

  it.each([
    ['of a pod that does not say so', { ...EVENT, pid: 4242 }],
    ['of another container of the pod', { ...event, containerName: 'sidecar' }],
  ])('is not stopped %s', async (_, other) => {
    const { state, subject } = setting('Require');
    await subject.hold(other);
    expect(state.signals).toEqual([]);
  });
});
