// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { Changes } from '../../../src/workload/changes.ts';
import type { Caller, Standing } from '../../../src/workload/port.ts';
import { ServedCredentials } from '../../../src/workload/served-credentials.ts';
import { podStream } from '../../../src/workload/pod-stream.ts';

const REFUSED: Standing = { state: 'Refused', reason: 'ImageDigestMismatch', message: 'expected a', passing: false };

function setting() {
  const changes = new Changes();
  const served = new ServedCredentials((podUid) => changes.tell(podUid));
  const state = { standing: undefined as Standing | undefined, known: true, admitted: Promise.resolve('a') };
  const caller: Caller = { podUid: 'pod-1', identity: undefined, pid: 7, incarnation: () => 'a' };
  const abort = new AbortController();
  const stream = podStream(caller, abort.signal, {
    changes,
    callers: { admit: () => state.admitted, recognise: () => state.known },
    standing: (podUid) => state.standing ?? { state: 'Held', served: served.list(podUid) },
  });
  const put = (identity: string, chain = 'c'): void => served.put('pod-1', identity, { privateKey: 'k', chain });
  return { changes, served, state, abort, stream, put };
}

const names = ({ value }: IteratorResult<readonly { identity: string }[], void>) =>
  (value ?? []).map(({ identity }) => identity);

describe('the stream of a pod', () => {
  it('gives what is there at once, then the full set at every change', async () => {
    const { stream, put, served } = setting();
    put('till');
    expect(names(await stream.next())).toEqual(['till']);
    const second = stream.next();
    put('stock');
    expect(names(await second)).toEqual(['stock', 'till']);
    // Told before anybody waits: not lost.
    served.withdraw('pod-1', 'stock');
    expect(names(await stream.next())).toEqual(['till']);
  });

  it('is not woken by another pod', async () => {
    const { stream, put, served } = setting();
    put('till');
    await stream.next();
    let woken = false;
    const next = stream.next().then(() => (woken = true));
    served.put('pod-2', 'till', { privateKey: 'k', chain: 'c' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(woken).toBe(false);
    put('till', 'renewed');
    await next;
  });

  it('ends with PermissionDenied and the reason when the verdict changes', async () => {
    const { stream, put, state, changes } = setting();
    put('till');
    await stream.next();
    const next = stream.next();
    state.standing = REFUSED;
    changes.tell('pod-1');
    await expect(next).rejects.toMatchObject({ code: 'PermissionDenied', message: 'ImageDigestMismatch: expected a' });
  });

  it('ends with PermissionDenied a moment after everything was withdrawn without a verdict', async () => {
    const { stream, put, state, changes } = setting();
    put('till');
    await stream.next();
    state.standing = { state: 'Pending' };
    changes.tell('pod-1');
    await expect(stream.next()).rejects.toMatchObject({
      code: 'PermissionDenied',
      message: expect.stringMatching(/^IdentityWithdrawn/),
    });
  });

  it('waits for the first verdict', async () => {
    const { stream, state, put } = setting();
    state.standing = { state: 'Pending' };
    const first = stream.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    state.standing = undefined;
    put('till');
    expect(names(await first)).toEqual(['till']);
  });

  it('waits a moment for the other identities of a pod that is just being given them', async () => {
    const { stream, served, state, put } = setting();
    const partial = (): Standing => ({ state: 'Held', served: served.list('pod-1'), partial: true });
    put('stock');
    state.standing = partial();
    const first = stream.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    state.standing = undefined;
    put('till');
    expect(names(await first)).toEqual(['stock', 'till']);
  });

  it('gives what there is where the others take longer, and the rest when it comes', async () => {
    const { stream, served, state, put } = setting();
    put('stock');
    state.standing = { state: 'Held', served: served.list('pod-1'), partial: true };
    expect(names(await stream.next())).toEqual(['stock']);
    const second = stream.next();
    state.standing = undefined;
    put('till');
    expect(names(await second)).toEqual(['stock', 'till']);
  });

  it('says Unavailable, which callers try again, while only the issuer is away', async () => {
    const { stream, state } = setting();
    state.standing = { ...REFUSED, passing: true };
    await expect(stream.next()).rejects.toMatchObject({ code: 'Unavailable' });
  });

  it('gives nothing to a caller that is not admitted, or is another program by now', async () => {
    const refused = setting();
    refused.state.admitted = Promise.reject(new KeysteadError('PermissionDenied', 'ContainerUnknown: no'));
    await expect(refused.stream.next()).rejects.toMatchObject({ code: 'PermissionDenied' });
    const changed = setting();
    changed.put('till');
    await changed.stream.next();
    changed.state.known = false;
    changed.put('till', 'renewed');
    await expect(changed.stream.next()).rejects.toMatchObject({ code: 'PermissionDenied' });
  });

  it('ends quietly when the caller goes', async () => {
    const { stream, put, abort } = setting();
    put('till');
    await stream.next();
    const next = stream.next();
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});
