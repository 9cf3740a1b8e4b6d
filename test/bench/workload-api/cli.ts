// SPDX-License-Identifier: Apache-2.0
/**
 * `node test/bench/workload-api/cli.ts [--spire FOLDER] [--rounds N] [--seconds S] [--starts N] [--json FILE] [--svg FILE]`: the
 * SPIFFE Workload API of the installed product on the lab node, and SPIRE's beside it (README.md).
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { goalRows, table } from './goals.ts';
import { measureWorkloadApi } from './measure.ts';
import { plot } from './plot.ts';

const { values } = parseArgs({
  options: {
    spire: { type: 'string' },
    json: { type: 'string' },
    svg: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    starts: { type: 'string', default: '7' },
  },
});
const length = { rounds: Number(values.rounds), seconds: Number(values.seconds), starts: Number(values.starts) };
const results = await measureWorkloadApi(values.spire ?? process.env['KEYSTEAD_BENCH_SPIRE'], length);
if (results.length === 1)
  console.log('SPIRE is left out: name the folder of its programs by --spire or KEYSTEAD_BENCH_SPIRE.');
console.log(table(results));
for (const [what, figure, met] of goalRows(results)) console.log(`${met ? 'met   ' : 'missed'}  ${what}: ${figure}`);
console.log(JSON.stringify(results));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
if (values.svg !== undefined) writeFileSync(values.svg, plot(results));
