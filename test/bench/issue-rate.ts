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
import { bundlePrograms, PROGRAMS } from '../../src/build/bundle.ts';
import type { NotaryClient } from '../../src/notary/client.ts';
import type { NotaryConfiguration } from '../../src/notary/port.ts';
import { NotaryProcess } from '../integration/softhsm/notary-process.ts';
import { freshRequest } from '../integration/softhsm/requests.ts';
import { compileC, SoftHsm, softhsmLibrary } from '../integration/softhsm/softhsm.ts';

export interface IssueRate {
  /** Signatures a second, C program, one session. */
  readonly raw: number;
  /** Certificates a second, through the socket, checked by the client. */
  readonly issue: number;
  readonly ratio: number;
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
  /** Of the notary after the run, MiB. */
  readonly privateMemory: number;
}

const TOKEN = 'bench';
/** As in the chart. */
const FLAGS = [
  '--max-semi-space-size=1',
  '--no-parallel-scavenge',
  '--no-maglev',
  '--no-sparkplug',
  '--disable-sigusr1',
];
const SECOND_MS = 1000;
/** A notary that has run for a while has its hot paths compiled; so shall the one measured. */
const WARM_UP_MS = 4000;
const IN_FLIGHT = 64;
const CALLERS = 8;
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
    const loads = await loadsOn(notary.client);
    for (const load of [loads.issue, loads.sign]) await doneWithin(load, IN_FLIGHT, WARM_UP_MS);
    const results = [];
    for (let round = 0; round < rounds; round++) results.push(await measured(notary, loads, { rawSign, hsm }));
    const [p50At8, p99At8] = await quantiles(loads.issue, rounds * SECOND_MS);
    const [signP50At8, signP99At8] = await quantiles(loads.sign, rounds * SECOND_MS);
    const privateMemory = Math.round(privateKiB(notary.pid) / 1024);
    return { ...medians(results), p50At8, p99At8, signP50At8, signP99At8, privateMemory };
  } finally {
    notary.client.close();
    await notary.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Does one thing; each of those in flight has its number. */
type Load = (number: number) => Promise<unknown>;
interface Loads {
  readonly issue: Load;
  readonly sign: Load;
}

async function loadsOn(client: NotaryClient): Promise<Loads> {
  const requests = Array.from({ length: IN_FLIGHT }, () => freshRequest());
  const [request = freshRequest()] = requests;
  const key = { identityUid: 'bench', generation: 1 };
  await client.issueForKey({ ...request, key });
  const message = Buffer.alloc(32, 1);
  return {
    issue: (number) => client.issue(requests[number] ?? request),
    sign: () => client.signWithKey({ key, requester: request.requester, message }),
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
  'raw' | 'issue' | 'ratio' | 'sign' | 'signRatio' | 'rawCpuMicros' | 'issueCpuMicros' | 'signCpuMicros'
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
  return {
    raw,
    issue: issued.rate,
    ratio: issued.rate / raw,
    sign: signed.rate,
    signRatio: signed.rate / raw,
    rawCpuMicros,
    issueCpuMicros: issued.micros,
    signCpuMicros: signed.micros,
  };
}

async function rateOf(notary: NotaryProcess, load: Load): Promise<{ rate: number; micros: number }> {
  const before = cpuMicros(notary.pid);
  const start = performance.now();
  const count = (await doneWithin(load, IN_FLIGHT, SECOND_MS)).length;
  return {
    rate: Math.round((count / (performance.now() - start)) * 1000),
    micros: (cpuMicros(notary.pid) - before) / count,
  };
}

/** Goes on for a time, so many at once. Gives how long each took, milliseconds, sorted. */
async function doneWithin(load: Load, atOnce: number, ms: number): Promise<number[]> {
  const end = performance.now() + ms;
  const times: number[] = [];
  const caller = async (number: number): Promise<void> => {
    for (let start = performance.now(); start < end; start = performance.now()) {
      await load(number);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, number) => caller(number)));
  return times.sort((a, b) => a - b);
}

/** p50 and p99 with eight callers, milliseconds. */
async function quantiles(load: Load, ms: number): Promise<[number, number]> {
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

function privateKiB(pid: number): number {
  return Number(/Private_Dirty:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

if (import.meta.main) console.log(JSON.stringify(await issueRate(Number(process.argv[2] ?? 5))));
