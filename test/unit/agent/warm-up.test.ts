// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { ProcessSource } from '../../../src/bin/agent/process-source.ts';
import { warmUp } from '../../../src/bin/agent/warm-up.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { AliveContainer, ContainerRuntime } from '../../../src/runtime/port.ts';

function setting(alive: () => Promise<readonly AliveContainer[]>) {
  const state = { looks: 0, hasList: false };
  const processes = {
    measure: () => Promise.resolve(undefined),
    of: () => {
      state.looks++;
      state.hasList = true;
      return [];
    },
    lookAfresh: () => (state.hasList = false),
  };
  const runtime = { alive, container: () => Promise.resolve(undefined) };
  const run = () => warmUp('node-1', runtime as unknown as ContainerRuntime, processes as unknown as ProcessSource);
  return { state, run };
}

describe('the warm-up', () => {
  it('looks for processes, and leaves no list that the first look at the pods would go by', async () => {
    const { state, run } = setting(() => Promise.resolve([{ id: 'c', podUid: 'p', running: true }]));
    await run();
    expect(state.looks).toBeGreaterThan(0);
    expect(state.hasList).toBe(false);
  });

  it('is of no consequence where the runtime is away', async () => {
    const { state, run } = setting(() => Promise.reject(new KeysteadError('Unavailable', 'no runtime')));
    await expect(run()).resolves.toBeUndefined();
    expect(state.hasList).toBe(false);
  });
});
