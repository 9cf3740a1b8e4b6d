// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { algorithms, handles, maker, pcrBanks, random } from '../../../src/notary/root-of-trust/tpm/capability.ts';
import { TPM_ALG, TPM_HT } from '../../../src/tpm/constants.ts';
import { parseEventLog } from '../../../src/tpm/event-log.ts';
import { compareWithPcrs, replay } from '../../../src/tpm/event-log-replay.ts';
import {
  create,
  load,
  loadContext,
  loadExternal,
  saveContext,
  signDigest,
} from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { openTpm } from '../../../src/notary/root-of-trust/tpm/open.ts';
import { extendPcr, readPcrs } from '../../../src/notary/root-of-trust/tpm/pcr.ts';
import { encodePublic } from '../../../src/tpm/public-area.ts';
import { keyTemplate } from '../../../src/notary/root-of-trust/tpm/key-template.ts';
import { storagePrimary } from '../../../src/notary/root-of-trust/tpm/storage-primary.ts';
import { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { SAMPLE_EVENTS, writeLog } from '../../unit/tpm/log-writer.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);

let soft: SoftTpm;

beforeAll(() => requireTools());
beforeAll(async () => {
  soft = await SoftTpm.started();
});
afterAll(async () => soft.remove());

const BANK = TPM_ALG.sha256;
const noLeaks = (tpm: Tpm): void => {
  expect(handles(tpm, TPM_HT.transient)).toEqual([]);
  expect(handles(tpm, TPM_HT.policySession)).toEqual([]);
};
const failsWith = (code: string): unknown => expect.objectContaining({ code });

describe('an event log', () => {
  it('is read as tpm2_eventlog reads it, and replayed to what the TPM holds', async () => {
    await soft.restart();
    const octets = writeLog(SAMPLE_EVENTS);
    writeFileSync(soft.path('log'), octets);
    const log = parseEventLog(octets);
    const text = soft.tool('tpm2_eventlog', 'log');
    const theirs = new Map<number, string>(
      [...(text.split(/^ {2}sha256:$/m)[1] ?? '').matchAll(/^ {4}(\d+) *: 0x([0-9a-f]{64})$/gm)].map((match) => [
        Number(match[1]),
        match[2]!,
      ]),
    );
    expect(theirs.size).toBe(8);
    const ours = replay(log, BANK);
    // In PCR 0 version 5.4 of the tool extends with the EV_NO_ACTION event too, which no firmware does.
    for (const [pcr, value] of ours) if (pcr !== 0) expect(value.toString('hex')).toBe(theirs.get(pcr));
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    const tpm = soft.open();
    for (const event of log.events.filter(({ type }) => type !== 3)) {
      extendPcr(tpm, event.pcr, { hash: BANK, value: event.digests.get(BANK)! });
    }
    const selection = { hash: BANK, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8] };
    const report = compareWithPcrs(log, BANK, readPcrs(tpm, selection));
    // swtpm starts at locality 0 and the log tells of 3.
    expect(report).toEqual({ explained: [1, 2, 3, 4, 5, 6, 7, 8], unexplained: [0], alteredEvents: [] });
    extendPcr(tpm, 5, { hash: BANK, value: randomBytes(32) });
    expect(compareWithPcrs(log, BANK, readPcrs(tpm, selection)).unexplained).toEqual([0, 5]);
  });
});

describe('a TPM', () => {
  it('says what it is and gives random octets', () => {
    const tpm = soft.open();
    expect(maker(tpm)).toMatchObject({ manufacturer: 'IBM', revision: expect.stringMatching(/^1\.\d\d$/) });
    expect(algorithms(tpm).has(TPM_ALG.ecdsa)).toBe(true);
    expect(pcrBanks(tpm).find(({ hash }) => hash === BANK)?.pcrs).toHaveLength(24);
    expect(random(tpm, 100)).toHaveLength(100);
    expect(random(tpm, 100)).not.toEqual(random(tpm, 100));
    expect(() => readPcrs(tpm, { hash: TPM_ALG.sm3, pcrs: [0] })).toThrow(failsWith('MechanismMissing'));
  });

  it('saves and loads contexts, and takes public keys from outside', () => {
    const tpm = soft.open();
    const parent = storagePrimary(tpm);
    const blob = create(tpm, parent, encodePublic(keyTemplate('context', 'EC-P256', false)));
    const key = load(tpm, parent, blob);
    const context = saveContext(tpm, key.handle);
    tpm.flush(key.handle);
    tpm.withTransient({ ...key, handle: loadContext(tpm, context) }, (again) =>
      expect(signDigest(tpm, again, Buffer.alloc(32)).octets.length).toBeGreaterThan(60),
    );
    expect(tpm.withTransient(loadExternal(tpm, blob.publicArea), ({ name }) => name)).toEqual(key.name);
    noLeaks(tpm);
  });

  it('is used through a unix socket', async () => {
    const other = await SoftTpm.started({ unix: true });
    try {
      expect(random(other.open(), 16)).toHaveLength(16);
      expect(handles(other.open(), TPM_HT.persistent)).toEqual([]);
    } finally {
      await other.remove();
    }
  });

  it('is used through a device node, which a pseudo-terminal stands for', async () => {
    const other = await SoftTpm.started({ unix: true });
    const device = other.path('device');
    const bridge = spawn('socat', [`PTY,link=${device},rawer`, `UNIX-CONNECT:${other.socketPath}`], {
      stdio: 'ignore',
    });
    try {
      while (!existsSync(device)) await sleep(20);
      const tpm = openTpm({ device, timeoutMs: 20_000 });
      const parent = storagePrimary(tpm);
      expect(parent.handle).toBe(0x81000001);
      expect(random(tpm, 40)).toHaveLength(40);
      noLeaks(tpm);
      tpm.close();
    } finally {
      bridge.kill();
      await once(bridge, 'exit');
      await other.remove();
    }
  });

  it('that hangs ends in an error and not in a hung process', () => {
    const tpm = soft.open({ timeoutMs: 300 });
    process.kill(soft.pid, 'SIGSTOP');
    const start = performance.now();
    try {
      expect(() => random(tpm, 8)).toThrow(failsWith('Unavailable'));
      expect(performance.now() - start).toBeLessThan(5000);
    } finally {
      process.kill(soft.pid, 'SIGCONT');
    }
    expect(random(tpm, 8)).toHaveLength(8);
  });

  it('that is not there is named', () => {
    expect(() => openTpm({ device: '/dev/no-such-tpm' })).toThrow(/cannot open the TPM \/dev\/no-such-tpm: ENOENT/);
    expect(() => openTpm({ socket: { path: '/no/such/socket' } })).toThrow(failsWith('TokenAbsent'));
    expect(() => openTpm({ socket: { path: 'x'.repeat(200) } })).toThrow(failsWith('InvalidConfiguration'));
    expect(() => openTpm({ socket: { host: 'name', port: 1 } })).toThrow(failsWith('InvalidConfiguration'));
  });
});
