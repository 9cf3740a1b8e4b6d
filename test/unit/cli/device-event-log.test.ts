// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { eventLogPages } from '../../../src/bin/agent/event-log.ts';
import type { Cluster } from '../../../src/cli/port.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { bootLog } from '../../../src/integrity/boot-log.ts';
import type { Resource } from '../../../src/kube/index.ts';
import { parseEventLog } from '../../../src/tpm/event-log.ts';
import { fakeCluster, run } from './fakes.ts';
import { pod } from './objects.ts';

const FILE = join(import.meta.dirname, '../../fixtures/event-logs/desktop.bin');
const LOG = readFileSync(FILE);
const PCRS = bootLog(parseEventLog(LOG), []).pcrs.map(({ index, logged = '' }) => ({ index, sha256: logged }));

/** Where the agent sees the host's files; the kernel shows the log below it. */
const HOST_ROOT = mkdtempSync(join(tmpdir(), 'keystead-event-log-'));
const SHOWN = join(HOST_ROOT, 'sys/kernel/security/tpm0');
mkdirSync(SHOWN, { recursive: true });
writeFileSync(join(SHOWN, 'binary_bios_measurements'), LOG);
afterAll(() => rmSync(HOST_ROOT, { recursive: true, force: true }));

/** A cluster whose node's TPM has quoted these, and whose agent serves the log as it does. */
function cluster(pcrs: readonly object[] | undefined, hostRoot = HOST_ROOT): Cluster {
  const get = async ({ plural }: Resource, { name }: { name: string }): Promise<unknown> => {
    if (plural === 'edgedevices') return { metadata: { name }, spec: {}, status: { integrity: { pcrs } } };
    const page = await eventLogPages(hostRoot)['/event-log/']!(name);
    if (page.status === 200) return JSON.parse(page.body) as unknown;
    throw new KeysteadError('Unavailable', `HTTP ${page.status} ${page.body}`);
  };
  const pods = [pod('agent-1', { component: 'node', node: 'edge-1' })];
  return fakeCluster({ pods }, { get } as unknown as Partial<Cluster>);
}

describe('keystead device event-log', () => {
  it("explains the quoted PCRs by the node's log, event by event", async () => {
    const { exit, out } = await run('device event-log edge-1', { cluster: cluster(PCRS) });
    expect(exit).toBe(0);
    expect(out).toMatch(/^0 +Explained +1536de22/m);
    expect(out).toMatch(/^7 +EV_EFI_VARIABLE_DRIVER_CONFIG +[0-9a-f]{16} +SecureBoot$/m);
    expect(out).not.toMatch(/Unexplained|!/);
  });

  it('shows one PCR alone, and all of it as JSON', async () => {
    const { out } = await run('device event-log edge-1 --pcr 7', { cluster: cluster(PCRS) });
    expect(out.split('\n').filter((line) => /^[0-68-9]/.test(line))).toEqual([]);
    const json = await run('device event-log edge-1 --json', { cluster: cluster(PCRS) });
    expect(JSON.parse(json.out)).toMatchObject({ pcrs: expect.any(Array), events: expect.any(Array) });
  });

  it('fails where the log does not give what was quoted, and says which PCR', async () => {
    const changed = PCRS.map((quoted) => (quoted.index === 4 ? { ...quoted, sha256: 'ab'.repeat(32) } : quoted));
    const { exit, out } = await run('device event-log edge-1', { cluster: cluster(changed) });
    expect(exit).toBe(2);
    expect(out).toMatch(/^4 +Unexplained +abab/m);
    expect(out.match(/Unexplained/g)).toHaveLength(1);
  });

  it('draws attention where nothing was quoted', async () => {
    const { exit, out } = await run('device event-log edge-1', { cluster: cluster(undefined) });
    expect([exit, out]).toEqual([1, expect.stringContaining('Unquoted')]);
  });

  it('takes a log from a file, and marks a text that is not what was measured', async () => {
    const at = LOG.indexOf(Buffer.from('SecureBoot', 'utf16le'));
    const altered = Buffer.from(LOG);
    altered.write('SecureBoat', at, 'utf16le');
    const binaries = { 'log.bin': altered };
    const { exit, out } = await run('device event-log edge-1 --file log.bin', { cluster: cluster(PCRS), binaries });
    expect(exit).toBe(0);
    expect(out).toMatch(/EV_EFI_VARIABLE_DRIVER_CONFIG +[0-9a-f]{16} +! SecureBoat/);
  });

  it('refuses what is no log, and says where there is none', async () => {
    const binaries = { 'log.bin': LOG.subarray(0, 100) };
    const cut = await run('device event-log edge-1 --file log.bin', { cluster: cluster(PCRS), binaries });
    expect(cut).toMatchObject({ exit: 2, err: expect.stringContaining('malformed TCG event log at octet') });
    const none = await run('device event-log edge-1', { cluster: cluster(PCRS, '/nowhere') });
    expect(none).toMatchObject({
      exit: 2,
      err: expect.stringMatching(/no event log of node edge-1: .*no event log at \/nowhere\/sys\/.*: ENOENT/),
    });
    expect((await run('device event-log edge-1 --pcr 24', { cluster: cluster(PCRS) })).err).toContain('0 to 23');
    expect((await run('device event-log', { cluster: cluster(PCRS) })).err).toContain('the name of one NODE');
  });
});
