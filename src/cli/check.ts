// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import { agents } from './check/agents.ts';
import { apiServer } from './check/api-server.ts';
import { certificates } from './check/certificates.ts';
import { clock } from './check/clock.ts';
import { containerStarts } from './check/container-starts.ts';
import { controller } from './check/controller.ts';
import { csiDriver } from './check/csi-driver.ts';
import { customResources } from './check/custom-resources.ts';
import { identities } from './check/identities.ts';
import { installationOf } from './check/installation.ts';
import { notary } from './check/notary.ts';
import { fail, warn, type Installation, type InstallationCheck, type Outcome } from './check/port.ts';
import { trustBundle } from './check/trust-bundle.ts';
import {
  CLUSTER_OPTIONS,
  EXIT,
  JSON_OPTION,
  SYSTEM_OPTION,
  text,
  UsageError,
  type Command,
  type Exit,
} from './command.ts';
import type { Style, Terminal } from './port.ts';

/** In the order in which one would look: each rests on those before. */
export const CHECKS: readonly InstallationCheck[] = [
  apiServer,
  customResources,
  controller,
  agents,
  csiDriver,
  notary,
  clock,
  containerStarts,
  certificates,
  trustBundle,
  identities,
];

export const check: Command = {
  name: 'check',
  summary: 'Looks for what is wrong with an installation and says what to do about it',
  options: { ...SYSTEM_OPTION, ...JSON_OPTION, ...CLUSTER_OPTIONS },
  details: 'Exit code: 0 all is well, 1 something wants attention, 2 something is wrong.',
  async run({ terminal, clock: time, cluster, values, positionals }) {
    if (positionals.length > 0) throw new UsageError(`check takes no operand, found ${positionals.join(' ')}`);
    const client = await cluster(text(values, 'kubeconfig'));
    try {
      const found = await runChecks(installationOf(client, time.now(), text(values, 'system-namespace')));
      if (values['json'] === true) terminal.out(JSON.stringify({ checks: found }, undefined, 2));
      else show(terminal, found);
      return exitOf(found);
    } finally {
      client.close();
    }
  },
};

export interface Checked extends Outcome {
  readonly check: string;
}

/** Runs the checks one after the other, and none after a vital one that failed. Never throws. */
export async function runChecks(
  installation: Installation,
  checks: readonly InstallationCheck[] = CHECKS,
): Promise<Checked[]> {
  const found: Checked[] = [];
  for (const { name, vital, run } of checks) {
    const outcomes = await run(installation).catch((thrown: unknown) => [unseen(thrown)]);
    found.push(...outcomes.map((outcome) => ({ check: name, ...outcome })));
    if (vital && outcomes.some(({ level }) => level === 'fail')) break;
  }
  return found;
}

/** What could not be looked at is no proof that it is wrong, where the user lacks the right to look. */
function unseen(thrown: unknown): Outcome {
  const { code, message } = asKeysteadError(thrown);
  if (code === 'PermissionDenied') return warn(`cannot look: ${message}`, 'ask with the rights to read these objects');
  return fail(message, 'see that the API server can be reached, and that KUBECONFIG names the right one');
}

function exitOf(found: readonly Checked[]): Exit {
  if (found.some(({ level }) => level === 'fail')) return EXIT.Failure;
  return found.some(({ level }) => level === 'warn') ? EXIT.Attention : EXIT.Ok;
}

const STYLES: Readonly<Record<Outcome['level'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red' };

function show(terminal: Terminal, found: readonly Checked[]): void {
  const width = Math.max(...CHECKS.map(({ name }) => name.length));
  for (const { check: name, level, message, remedy } of found) {
    terminal.out(`${terminal.style(STYLES[level], level.padEnd(4))}  ${name.padEnd(width)}  ${message}`);
    if (remedy !== undefined) terminal.out(`      ${' '.repeat(width)}  ${terminal.style('dim', `-> ${remedy}`)}`);
  }
}
