// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench -- [--json FILE] [--svg FILE] [--pods N] [--at-once N] [--spire FOLDER]`: measures the installed product on the lab node (the quickstart brings
 * both up) and says how it stands to the goals. Figures are of one run on one machine: compare ratios, not numbers.
 * With the programs of SPIRE in a folder (or KEYSTEAD_BENCH_SPIRE), its Workload API is measured beside ours.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { waitForRelease } from '../quickstart/install.ts';
import { presentLab, type Target } from '../quickstart/target.ts';
import { measureCrash } from './crash.ts';
import { heldQuantile, readHeld } from './held.ts';
import type { IssueRate } from './issue-rate.ts';
import { measureMemory } from './memory.ts';
import { measureRemeasure } from './remeasure.ts';
import type { SignRate } from './sign-rate.ts';
import { measureStarts } from './start-latency.ts';
import { measureWithdrawal, TAKEN, TRIGGERS, WITHDRAWAL_GOAL_MS } from './withdrawal.ts';
import { goalRows, table, type GoalRow } from './workload-api/goals.ts';
import { measureWorkloadApi } from './workload-api/measure.ts';
import { plot } from './workload-api/plot.ts';

const execute = promisify(execFile);
const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    svg: { type: 'string' },
    spire: { type: 'string', default: process.env['KEYSTEAD_BENCH_SPIRE'] ?? '' },
    pods: { type: 'string', default: '50' },
    'at-once': { type: 'string', default: '1' },
  },
});
const pods = Number(values.pods);
/** Pods that start together queue for the machine's two cores: that is another figure than the way of one. */
const atOnce = Number(values['at-once']);

const API_LENGTH = { starts: 7, rounds: 3, seconds: 3 };

const CRASHES = 7;

const WITHDRAWALS = 10;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

const target = presentLab() ?? fail('There is no lab with the product: run `npm run quickstart` first.');

console.error('idle memory');
const memory = measureMemory();
console.error(`starts with NRI, ${pods} pods, ${atOnce} at once`);
const before = await readHeld();
const withNri = await measureStarts(pods, atOnce);
const after = await readHeld();
const held = { p50: heldQuantile(before, after, 0.5), p99: heldQuantile(before, after, 0.99) };
console.error(`starts without NRI, ${pods} pods, ${atOnce} at once`);
const nri = target.nriSocket;
await setNri(target, '');
const withoutNri = await measureStarts(pods, atOnce).finally(() => setNri(target, nri));
console.error('processes measured again');
const remeasure = await measureRemeasure();
console.error(values.spire === '' ? 'Workload API (SPIRE is not there and left out)' : 'Workload API, beside SPIRE');
const workloadApi = await measureWorkloadApi(values.spire === '' ? undefined : values.spire, API_LENGTH);
console.error('crash of the agent');
const crash = await measureCrash(CRASHES);
console.error('withdrawal of identities');
const withdrawal = await measureWithdrawal(WITHDRAWALS);
console.error('issue rate against the raw token');
const issueRate = await printed<IssueRate>('issue-rate.ts');
console.error('IoT Edge sign against the raw token');
const iotEdge = await printed<SignRate>('sign-rate.ts');

const result = {
  memory,
  remeasure,
  starts: { withNri, held, withoutNri },
  workloadApi,
  crash,
  withdrawal,
  issueRate,
  iotEdge,
};
const rows: GoalRow[] = [
  [
    'with NRI: certificate there at the first instruction',
    `${withNri.atFirstInstruction} of ${pods}`,
    withNri.atFirstInstruction === pods,
  ],
  ['with NRI: start held, p99 (goal <= 60 ms)', `<= ${held.p99} ms`, held.p99 <= 60],
  ['without NRI: start to certificate, p50 (goal <= 50 ms)', `${withoutNri.p50} ms`, withoutNri.p50 <= 50],
  ['without NRI: start to certificate, p99 (goal <= 150 ms)', `${withoutNri.p99} ms`, withoutNri.p99 <= 150],
  ['memory: PSS of all three (goal <= 150 MB)', `${memory.pss['total']} MB`, (memory.pss['total'] ?? Infinity) <= 150],
  [
    `agent: ${remeasure.processes} processes every ${remeasure.intervalSeconds} s, share of a core (goal <= 2 %)`,
    `${remeasure.percent} % (${remeasure.idlePercent} % without them)`,
    remeasure.percent <= 2,
  ],
  [
    'crash of the agent: SIGKILL to the next answered call, worst (goal <= 1000 ms)',
    `${crash.worst} ms of ${crash.crashes} (p50 ${crash.p50} ms)`,
    crash.worst <= 1000,
  ],
  ...withdrawalRows(),
  ['issue rate against the raw token (goal >= 50 %)', percent(issueRate.ratio), issueRate.ratio >= 0.5],
  ['certificates a second (goal >= 500)', `${issueRate.issue}`, issueRate.issue >= 500],
  ['P-256 sign against the raw token (goal >= 60 %)', percent(issueRate.signRatio), issueRate.signRatio >= 0.6],
  ['P-256 sign, p99 at 8 callers (goal <= 5 ms)', `${issueRate.signP99At8} ms`, issueRate.signP99At8 <= 5],
  [
    'notary: private memory seconds after that (goal <= 30 MB)',
    `${issueRate.privateMemory} MB`,
    issueRate.privateMemory <= 30,
  ],
  ['IoT Edge sign against SoftHSM2 itself (goal >= 60 %)', percent(iotEdge.ratio), iotEdge.ratio >= 0.6],
  [
    'IoT Edge sign against a token that takes a millisecond (goal >= 60 %)',
    percent(iotEdge.slow.ratio),
    iotEdge.slow.ratio >= 0.6,
  ],
  ...goalRows(workloadApi),
];
console.log(table(workloadApi));
for (const [what, figure, met] of rows) console.log(`${met ? 'met   ' : 'missed'}  ${what}: ${figure}`);
console.log(JSON.stringify(result));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
if (values.svg !== undefined) writeFileSync(values.svg, plot(workloadApi));

/** From each trigger to the absence of all that a module held. */
function withdrawalRows(): GoalRow[] {
  return TRIGGERS.map((trigger) => {
    const found = TAKEN.flatMap((taken) => {
      const times = withdrawal[trigger][taken];
      return times ? [{ taken, ...times, met: times.worst <= WITHDRAWAL_GOAL_MS }] : [];
    });
    const figures = found.map(({ taken, p50, worst }) => `${taken} ${p50} / ${worst}`).join(', ');
    return [
      `withdrawal by ${trigger}, p50 / worst of ${WITHDRAWALS} (goal <= ${WITHDRAWAL_GOAL_MS} ms)`,
      `${figures} ms`,
      found.every(({ met }) => met),
    ];
  });
}

/** What a program beside this one prints, as JSON. */
async function printed<T>(program: string): Promise<T> {
  const { stdout } = await execute(process.execPath, [resolve(import.meta.dirname, program)]);
  return JSON.parse(stdout) as T;
}

/** Has the agent use NRI by this socket, or, where it is empty, containerd's task events alone. */
async function setNri(of: Target, socket: string): Promise<void> {
  const chart = resolve(import.meta.dirname, '../../charts/keystead');
  const args = [
    'upgrade',
    'keystead',
    chart,
    '-n',
    'keystead-system',
    '--reuse-values',
    '--set',
    `runtime.nriSocket=${socket}`,
  ];
  await execute(of.helm, args, { env: of.kubectl.environment });
  await waitForRelease(of);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
