// SPDX-License-Identifier: Apache-2.0
/**
 * Rates of the notary against the raw signing rate of the same token, in one run: `node test/bench/issue-rate.ts [rounds]`
 * prints them as JSON. The notary is the bundle with the chart's flags. Each round signs for a second from C, and issues
 * and signs for a second each through the socket, so that what else the machine does weighs on all; medians are reported.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundlePrograms, PROGRAMS } from '../../src/build/bundle.ts';
import { encodeRequest } from '../../src/notary/messages.ts';
import type { NotaryConfiguration } from '../../src/notary/port.ts';
import type { Request } from '../../src/notary/protocol.ts';
import { NotaryProcess } from '../integration/softhsm/notary-process.ts';
import { freshRequest } from '../integration/softhsm/requests.ts';
import { NotaryLoad } from './notary-load.ts';
import { compileC, SoftHsm, softhsmLibrary } from '../integration/softhsm/softhsm.ts';

export interface IssueRate {
  /** Signatures a second, C program, one session. */
  readonly raw: number;
  /** Certificates a second, through the socket. */
  readonly issue: number;
  readonly ratio: number;
  /** The same where the client checks each of them, as the agent does: an ECDSA verification more on the same two cores. */
  readonly checkedIssue: number;
  /** P-256 signatures a second with a module's key, through the socket, and their ratio to `raw`. */
  readonly sign: number;
  readonly signRatio: number;
  /** Processor time of one raw signature, and of one issue and one signature in the notary, microseconds. */
  readonly rawCpuMicros: number;
  readonly issueCpuMicros: number;
  readonly signCpuMicros: number;
  /** Times of single requests with eight callers, milliseconds. */
  readonly p50At8: number;
  readonly p99At8: number;
  readonly signP50At8: number;
  readonly signP99At8: number;
  /** Of the notary when it has been at rest for a moment after the run, and right at its end, MiB. */
  readonly privateMemory: number;
  readonly busyMemory: number;
}

const TOKEN = 'bench';
/** As in the chart. */
const FLAGS = [
  '--max-semi-space-size=4',
  '--no-parallel-scavenge',
  '--no-maglev',
  '--no-sparkplug',
  '--disable-sigusr1',
  '--expose-gc',
];
const SECOND_MS = 1000;
/** A notary that has run for a while has its hot paths compiled; so shall the one measured. */
const WARM_UP_MS = 4000;
const IN_FLIGHT = 64;
const CALLERS = 8;
/** The notary gives memory back within ten seconds after a burst of requests. */
const REST_MS = 12_000;
/** Clock ticks of /proc/<pid>/stat, microseconds. */
const TICK_MICROS = 10_000;

export async function issueRate(rounds: number): Promise<IssueRate> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-bench-'));
  const hsm = new SoftHsm(folder);
  hsm.makeToken(TOKEN);
  const rawSign = join(folder, 'raw-sign');
  compileC(join(import.meta.dirname, 'raw-sign.c'), rawSign);
  await bundlePrograms(folder, { notary: PROGRAMS.notary });
  const environment = { ...hsm.environment, MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };
  const notary = new NotaryProcess({ folder, environment, program: [...FLAGS, join(folder, 'notary.mjs')] });
  try {
    notary.start();
    await notary.client.configure(configuration(hsm));
    const loads = await loadsOn(notary);
    const results = [];
    try {
      for (const load of [loads.issue, loads.sign]) await load.run(WARM_UP_MS);
      for (let round = 0; round < rounds; round++) results.push(await measured(notary, loads, { rawSign, hsm }));
    } finally {
      loads.issue.close();
      loads.sign.close();
    }
    const [p50At8, p99At8] = await quantiles(loads.checkedIssue, rounds * SECOND_MS);
    const [signP50At8, signP99At8] = await quantiles(loads.checkedSign, rounds * SECOND_MS);
    const busyMemory = privateMiB(notary.pid);
    await sleep(REST_MS);
    const memory = { busyMemory, privateMemory: privateMiB(notary.pid) };
    return { ...medians(results), p50At8, p99At8, signP50At8, signP99At8, ...memory };
  } finally {
    notary.client.close();
    await notary.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Call = () => Promise<unknown>;
interface Loads {
  readonly issue: NotaryLoad;
  readonly sign: NotaryLoad;
  readonly checkedIssue: Call;
  readonly checkedSign: Call;
}

async function loadsOn({ client, socket }: NotaryProcess): Promise<Loads> {
  // Each of a pod of its own, since what one pod may have is limited.
  const requests = Array.from({ length: IN_FLIGHT }, (_, number) => {
    const fresh = freshRequest();
    return { ...fresh, requester: { ...fresh.requester, podUid: `pod-${number}` } };
  });
  const [request = freshRequest()] = requests;
  const { requester } = request;
  const key = { identityUid: 'bench', generation: 1 };
  await client.issueForKey({ ...request, key });
  const signing = { key, requester, message: Buffer.alloc(32, 1) };
  let turn = 0;
  const encoded = (operation: 'issue' | 'signWithKey', bodies: readonly object[]): unknown[] =>
    bodies.map((body, index) => encodeRequest({ id: index + 1, operation, body } as Request));
  return {
    issue: new NotaryLoad(socket, encoded('issue', requests)),
    sign: new NotaryLoad(
      socket,
      encoded(
        'signWithKey',
        requests.map(() => signing),
      ),
    ),
    checkedIssue: () => client.issue(requests[turn++ % IN_FLIGHT] ?? request),
    checkedSign: () => client.signWithKey(signing),
  };
}

function configuration(hsm: SoftHsm): NotaryConfiguration {
  return {
    trustDomain: 'edge.example',
    node: 'bench',
    rootOfTrust: { pkcs11: { library: softhsmLibrary(), tokenLabel: TOKEN, pinFile: hsm.pinFile } },
    issuer: { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
    tokens: { keyLifetimeSeconds: 86_400, maxSeconds: 3600 },
  };
}

type Round = Pick<
  IssueRate,
  | 'raw'
  | 'issue'
  | 'checkedIssue'
  | 'ratio'
  | 'sign'
  | 'signRatio'
  | 'rawCpuMicros'
  | 'issueCpuMicros'
  | 'signCpuMicros'
>;

async function measured(
  notary: NotaryProcess,
  loads: Loads,
  { rawSign, hsm }: { rawSign: string; hsm: SoftHsm },
): Promise<Round> {
  const env = { ...process.env, ...hsm.environment };
  const output = execFileSync(rawSign, [softhsmLibrary(), TOKEN, '1234', '1'], { env, encoding: 'utf8' });
  const [raw = 0, rawCpuMicros = 0] = output.trim().split(' ').map(Number);
  const issued = await rateOf(notary, loads.issue);
  const signed = await rateOf(notary, loads.sign);
  const checked = (await doneWithin(loads.checkedIssue, IN_FLIGHT, SECOND_MS)).length;
  return {
    raw,
    issue: issued.rate,
    checkedIssue: Math.round((checked / SECOND_MS) * 1000),
    ratio: issued.rate / raw,
    sign: signed.rate,
    signRatio: signed.rate / raw,
    rawCpuMicros,
    issueCpuMicros: issued.micros,
    signCpuMicros: signed.micros,
  };
}

async function rateOf(notary: NotaryProcess, load: NotaryLoad): Promise<{ rate: number; micros: number }> {
  const before = cpuMicros(notary.pid);
  const rate = Math.round(await load.run(SECOND_MS));
  return { rate, micros: ((cpuMicros(notary.pid) - before) / rate) * (1000 / SECOND_MS) };
}

/** Goes on for a time, so many at once. Gives how long each took, milliseconds, sorted. */
async function doneWithin(load: Call, atOnce: number, ms: number): Promise<number[]> {
  const end = performance.now() + ms;
  const times: number[] = [];
  const caller = async (): Promise<void> => {
    for (let start = performance.now(); start < end; start = performance.now()) {
      await load();
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  return times.sort((a, b) => a - b);
}

/** p50 and p99 with eight callers, milliseconds. */
async function quantiles(load: Call, ms: number): Promise<[number, number]> {
  const times = await doneWithin(load, CALLERS, ms);
  const at = (share: number): number => rounded(times[Math.floor(times.length * share)] ?? 0);
  return [at(0.5), at(0.99)];
}

function medians(rounds: readonly Round[]): Round {
  const median = (field: keyof Round): number => {
    const sorted = rounds.map((round) => round[field]).sort((a, b) => a - b);
    return rounded(sorted[Math.floor(sorted.length / 2)] ?? 0);
  };
  return {
    raw: median('raw'),
    issue: median('issue'),
    checkedIssue: median('checkedIssue'),
    ratio: median('ratio'),
    sign: median('sign'),
    signRatio: median('signRatio'),
    rawCpuMicros: median('rawCpuMicros'),
    issueCpuMicros: median('issueCpuMicros'),
    signCpuMicros: median('signCpuMicros'),
  };
}

/** User and system time of a process. */
function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

function privateMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Math.round(Number(/Private_Dirty:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

if (import.meta.main) console.log(JSON.stringify(await issueRate(Number(process.argv[2] ?? 5))));
