// SPDX-License-Identifier: Apache-2.0
/**
 * Issue rate of the notary against the raw signing rate of the same token, in one run:
 * `node test/bench/issue-rate.ts [rounds]` prints {raw, issue, ratio, ...} as JSON. Each round signs for a second from C
 * and issues for a second through the socket, so that what else the machine does weighs on both; medians are reported.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateRequest, NotaryConfiguration } from '../../src/notary/port.ts';
import { NotaryProcess } from '../integration/softhsm/notary-process.ts';
import { freshRequest } from '../integration/softhsm/requests.ts';
import { compileC, SoftHsm, softhsmLibrary } from '../integration/softhsm/softhsm.ts';

export interface IssueRate {
  /** Signatures a second, C program, one session. */
  readonly raw: number;
  /** Certificates a second, through the socket, checked by the client. */
  readonly issue: number;
  readonly ratio: number;
  /** Processor time of one raw signature, and of one issue in the notary, microseconds. */
  readonly rawCpuMicros: number;
  readonly issueCpuMicros: number;
  /** Times of single requests with eight callers, milliseconds. */
  readonly p50At8: number;
  readonly p99At8: number;
  /** Of the notary after the run, MiB. */
  readonly privateMemory: number;
}

const TOKEN = 'bench';
const SECOND_MS = 1000;
/** A notary that has run for a while has its hot paths compiled; so shall the one measured. */
const WARM_UP_MS = 6000;
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
  const notary = new NotaryProcess({ folder, environment: hsm.environment });
  try {
    notary.start();
    await notary.client.configure(configuration(hsm));
    const requests = Array.from({ length: IN_FLIGHT }, () => freshRequest());
    await issuedWithin(notary, requests, WARM_UP_MS);
    const results = [];
    for (let round = 0; round < rounds; round++) results.push(await measured(notary, requests, { rawSign, hsm }));
    const times = await requestTimes(notary, requests.slice(0, CALLERS), rounds * SECOND_MS);
    const { raw, issue, ratio, rawCpuMicros, issueCpuMicros } = medians(results);
    const [p50At8, p99At8] = [0.5, 0.99].map((share) => rounded(times[Math.floor(times.length * share)] ?? 0));
    const privateMemory = Math.round(privateKiB(notary.pid) / 1024);
    return { raw, issue, ratio, rawCpuMicros, issueCpuMicros, p50At8: p50At8 ?? 0, p99At8: p99At8 ?? 0, privateMemory };
  } finally {
    notary.client.close();
    await notary.stop();
    rmSync(folder, { recursive: true, force: true });
  }
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

type Round = Record<'raw' | 'issue' | 'ratio' | 'rawCpuMicros' | 'issueCpuMicros', number>;

async function measured(
  notary: NotaryProcess,
  requests: readonly CertificateRequest[],
  { rawSign, hsm }: { rawSign: string; hsm: SoftHsm },
): Promise<Round> {
  const env = { ...process.env, ...hsm.environment };
  const output = execFileSync(rawSign, [softhsmLibrary(), TOKEN, '1234', '1'], { env, encoding: 'utf8' });
  const [raw = 0, rawCpuMicros = 0] = output.trim().split(' ').map(Number);
  const before = cpuMicros(notary.pid);
  const start = performance.now();
  const count = await issuedWithin(notary, requests, SECOND_MS);
  const issue = Math.round((count / (performance.now() - start)) * 1000);
  const issueCpuMicros = (cpuMicros(notary.pid) - before) / count;
  return { raw, issue, ratio: issue / raw, rawCpuMicros, issueCpuMicros };
}

/** Issues for a time, one request in flight for each of `requests`. Gives how many. */
async function issuedWithin(
  notary: NotaryProcess,
  requests: readonly CertificateRequest[],
  ms: number,
): Promise<number> {
  const end = performance.now() + ms;
  let count = 0;
  await Promise.all(
    requests.map(async (request) => {
      for (; performance.now() < end; count++) await notary.client.issue(request);
    }),
  );
  return count;
}

/** Times of single requests, milliseconds, sorted. */
async function requestTimes(
  notary: NotaryProcess,
  requests: readonly CertificateRequest[],
  ms: number,
): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + ms;
  await Promise.all(
    requests.map(async (request) => {
      for (let start = performance.now(); start < end; start = performance.now()) {
        await notary.client.issue(request);
        times.push(performance.now() - start);
      }
    }),
  );
  return times.sort((a, b) => a - b);
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
    rawCpuMicros: median('rawCpuMicros'),
    issueCpuMicros: median('issueCpuMicros'),
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
