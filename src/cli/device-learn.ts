// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { findCondition, type Condition } from '../api/conditions.ts';
import { INTEGRITY_VERIFIED } from '../api/names.ts';
import { edgeDevices } from '../api/resources.ts';
import type { EdgeDevice, EdgeDeviceSpecMeasuredBootPcr } from '../api/v1alpha1/index.ts';
import { KeysteadError } from '../errors.ts';
import { timestamp } from '../identity/holding.ts';
import { CLUSTER_OPTIONS, EXIT, text, UsageError, type Command, type Invocation } from './command.ts';
import type { Cluster } from './port.ts';
import { printTable } from './table.ts';

/** Firmware, its drivers, boot loader, Secure Boot; command line, initrd and kernel as GRUB and systemd measure them. */
const DEFAULT_PCRS = '0,2,4,7,8,9,11,12';
const MODES = ['Report', 'Enforce'];
/** Longer than a challenge may take to be answered. */
const PATIENCE_MS = 150_000;
const LOOK_MS = 500;
/** Judgements that come with an authentic quote. */
const AUTHENTIC = new Set(['Verified', 'PcrMismatch', 'NothingExpected']);
const MAX_VALUES = 16;

export const deviceLearn: Command = {
  name: 'device learn',
  operands: 'NODE',
  summary: "Takes a node's present boot measurements and TPM for the right ones, into EdgeDevice.spec.measuredBoot",
  options: {
    pcrs: { type: 'string', value: 'LIST', help: `PCRs to expect values of; default: ${DEFAULT_PCRS}` },
    mode: { type: 'string', value: MODES.join('|'), help: 'sets the mode as well' },
    add: { type: 'boolean', help: 'keep the values expected so far beside the new ones' },
    ...CLUSTER_OPTIONS,
  },
  details:
    'Do it while you know that the node is as it should be: what it booted now is expected from now on. It has the TPM\n' +
    'quoted anew, and writes nothing where the quote is not authentic. You must be allowed to patch EdgeDevices.',
  async run(invocation) {
    const { cluster, values, positionals } = invocation;
    const [name] = positionals;
    if (name === undefined || positionals.length > 1) throw new UsageError('device learn expects the name of one NODE');
    const pcrs = listed(text(values, 'pcrs') ?? DEFAULT_PCRS);
    const mode = text(values, 'mode');
    if (mode !== undefined && !MODES.includes(mode))
      throw new UsageError(`--mode: expected ${MODES.join(' or ')}, found ${mode}`);
    const client = await cluster(text(values, 'kubeconfig'));
    try {
      const quoted = await freshQuote(client, name, invocation);
      const learnt = learntPcrs(quoted, pcrs, values['add'] === true);
      const endorsementKey = quoted.status?.integrity?.endorsementKey;
      const measuredBoot = { pcrs: learnt, endorsementKey, ...(mode !== undefined && { mode }) };
      await client.patch(edgeDevices, { name }, { spec: { measuredBoot } }, { type: 'merge' });
      show(invocation, name, { learnt, endorsementKey });
      return EXIT.Ok;
    } finally {
      client.close();
    }
  },
};

function listed(list: string): number[] {
  const pcrs = list.split(',').map(Number);
  if (pcrs.every((pcr) => Number.isInteger(pcr) && pcr >= 0 && pcr <= 23))
    return [...new Set(pcrs)].sort((a, b) => a - b);
  throw new UsageError(`--pcrs: expected numbers from 0 to 23 with commas between, found ${list}`);
}

/** Has the controller forget what it remembers of the TPM and challenge it; waits for what comes out. */
async function freshQuote(client: Cluster, name: string, { clock, terminal }: Invocation): Promise<EdgeDevice> {
  await checkHasTpm(client, name);
  const change = { spec: { measuredBoot: { learned: timestamp(clock.now()), endorsementKey: null } } };
  const { metadata } = await client.patch(edgeDevices, { name }, change, { type: 'merge' });
  terminal.err(`waiting for a quote of the TPM of node ${name}`);
  const deadline = clock.now() + PATIENCE_MS;
  for (;;) {
    const found = await client.get(edgeDevices, { name });
    const judged = judgedSince(found, metadata.generation ?? 0);
    if (judged && AUTHENTIC.has(judged.reason)) return found;
    if ((judged && judged.reason !== 'NoAttester') || clock.now() > deadline) {
      const { reason, message } = judged ?? { reason: 'NotJudged', message: 'the controller has not answered' };
      throw new KeysteadError('AttestationDenied', `nothing was learnt of node ${name}: ${reason}: ${message}`);
    }
    await sleep(LOOK_MS);
  }
}

async function checkHasTpm(client: Cluster, name: string): Promise<void> {
  const { spec } = await client.get(edgeDevices, { name });
  if (spec.measuredBoot ?? spec.rootOfTrust.tpm) return;
  const remedy = 'set spec.measuredBoot.tpm of its EdgeDevice first (tpm: {} for the one at /dev/tpmrm0)';
  throw new KeysteadError('InvalidConfiguration', `node ${name} has no TPM that attests: ${remedy}`);
}

function judgedSince({ status }: EdgeDevice, generation: number): Condition | undefined {
  const condition = findCondition(status?.conditions, INTEGRITY_VERIFIED);
  return (condition?.observedGeneration ?? 0) >= generation ? condition : undefined;
}

function learntPcrs(
  { spec, status }: EdgeDevice,
  pcrs: readonly number[],
  add: boolean,
): EdgeDeviceSpecMeasuredBootPcr[] {
  const former = new Map(add ? (spec.measuredBoot?.pcrs ?? []).map(({ index, sha256 }) => [index, sha256]) : []);
  const found = new Map((status?.integrity?.pcrs ?? []).map(({ index, sha256 }) => [index, sha256]));
  const wanted = [...new Set([...pcrs, ...former.keys()])].sort((a, b) => a - b);
  return wanted.map((index) => {
    const value = found.get(index);
    if (value === undefined) {
      const remedy = 'add it to spec.measuredBoot.pcrs by hand with any value, and learn again';
      throw new KeysteadError('InvalidRequest', `the quote does not cover PCR ${index}: ${remedy}`);
    }
    return { index, sha256: [...new Set([value, ...(former.get(index) ?? [])])].slice(0, MAX_VALUES) };
  });
}

function show(
  { terminal }: Invocation,
  name: string,
  {
    learnt,
    endorsementKey = '',
  }: { learnt: readonly EdgeDeviceSpecMeasuredBootPcr[]; endorsementKey: string | undefined },
): void {
  printTable(
    terminal,
    ['PCR', 'EXPECTED SHA-256'],
    learnt.map(({ index, sha256 }) => [String(index), sha256.join(' or ')]),
  );
  terminal.out(`endorsement key ${endorsementKey}`);
  terminal.out(`learnt into EdgeDevice ${name}`);
}
