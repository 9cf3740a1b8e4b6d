// SPDX-License-Identifier: Apache-2.0
/** `supervisor.mjs PROGRAM [ARGUMENT…]`: runs the bundle of that name beside this one, with node's flags as they are here. */
import { join } from 'node:path';
import { Supervisor } from '../os/supervisor.ts';

const [program = '', ...more] = process.argv.slice(2);
const stopping = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopping.abort());
const supervisor = new Supervisor({
  arguments: [...process.execArgv, join(import.meta.dirname, `${program}.mjs`), ...more],
  environment: process.env,
  log: { error: say },
});
process.exitCode = await supervisor.run(stopping.signal);

/** A line as the other programs write theirs, without the library that costs a third of this process's memory. */
function say(about: object, msg: string): void {
  process.stdout.write(`${JSON.stringify({ level: 50, time: Date.now(), process: 'supervisor', ...about, msg })}\n`);
}
