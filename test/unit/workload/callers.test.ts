// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { Verdict } from '../../../src/attest/port.ts';
import { Callers } from '../../../src/workload/callers.ts';
import type { Caller } from '../../../src/workload/port.ts';

const ALLOWED = { allowed: true, module: { namespace: 'shop', name: 'till' }, table: [] } as unknown as Verdict;
const DENIED: Verdict = { allowed: false, reason: 'CodeNotFromImage', message: 'expected x, found y', table: [] };

function setting(verdict: Verdict | undefined) {
  const state = { now: 0, verdict, incarnation: 'a' as string | undefined, alive: true, measured: 0 };
  const caller: Caller = {
    podUid: 'pod-1',
    identity: undefined,
    pid: 7,
    incarnation: () => (state.alive ? state.incarnation : undefined),
  };
  const callers = new Callers({
    now: () => state.now,
    ports: {
      judge: () => {
        state.measured += 1;
        return Promise.resolve(state.verdict);
      },
    },
  });
  return { state, caller, callers };
}

describe('a calling process', () => {
  it('is measured once, shared by calls at the same time, and again after half a minute', async () => {
    const { state, caller, callers } = setting(ALLOWED);
    await Promise.all([callers.admit(caller), callers.admit(caller)]);
    await callers.admit({ ...caller });
    expect(state.measured).toBe(1);
    state.now = 30_001;
    await callers.admit(caller);
    expect(state.measured).toBe(2);
  });

  it('is measured anew after an exec, and where it calls another pod', async () => {
    const { state, caller, callers } = setting(ALLOWED);
    await callers.admit(caller);
    state.incarnation = 'b';
    await callers.admit(caller);
    await callers.admit({ ...caller, podUid: 'pod-2' });
    expect(state.measured).toBe(3);
  });

  it('is refused with the reason first, for a second without another measure', async () => {
    const { state, caller, callers } = setting(DENIED);
    const refused = { code: 'PermissionDenied', message: 'CodeNotFromImage: expected x, found y' };
    await expect(callers.admit(caller)).rejects.toMatchObject(refused);
    state.verdict = ALLOWED;
    await expect(callers.admit(caller)).rejects.toMatchObject(refused);
    state.now = 1_001;
    await expect(callers.admit(caller)).resolves.toBe('a');
  });

  it('is refused where it has ended, whoever has its connection now', async () => {
    const { state, caller, callers } = setting(ALLOWED);
    await callers.admit(caller);
    state.alive = false;
    await expect(callers.admit(caller)).rejects.toMatchObject({ message: expect.stringMatching(/^CallerGone/) });
    expect(callers.recognise(caller, 'a')).toBe(false);
  });

  it('is refused where it starts another program while it is measured', async () => {
    const { state, caller, callers } = setting(ALLOWED);
    const admitted = callers.admit(caller);
    state.incarnation = 'b';
    await expect(admitted).rejects.toMatchObject({ message: expect.stringMatching(/^CallerChanged/) });
  });

  it('asks again while its pod is not known, and after its pod was judged anew', async () => {
    const { state, caller, callers } = setting(undefined);
    await expect(callers.admit(caller)).rejects.toMatchObject({ code: 'Unavailable' });
    state.verdict = ALLOWED;
    await callers.admit(caller);
    callers.forget('pod-1');
    await callers.admit(caller);
    expect(state.measured).toBe(3);
  });
});
