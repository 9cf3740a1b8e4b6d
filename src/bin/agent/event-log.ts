// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HealthPage } from '../../health.ts';
import { errnoOf } from '../../os/files.ts';

/** Below the host's root directory: securityfs is not in the agent's own /sys. */
const LOG = 'sys/kernel/security/tpm0/binary_bios_measurements';

/**
 * `/event-log/tpm0`: what firmware says that it measured, octet by octet, for `keystead device event-log`. It holds what
 * every program with root on the node can read, and no secret.
 */
export function eventLogPages(hostRoot: string): Readonly<Record<string, (below: string) => Promise<HealthPage>>> {
  return { '/event-log/': (below) => eventLogPage(join(hostRoot, LOG), below) };
}

async function eventLogPage(path: string, below: string): Promise<HealthPage> {
  if (below !== 'tpm0') return { status: 404, type: 'text/plain', body: 'expected /event-log/tpm0\n' };
  try {
    const log = await readFile(path);
    return { status: 200, type: 'application/json', body: `${JSON.stringify({ log: log.toString('base64') })}\n` };
  } catch (thrown) {
    const found = errnoOf(thrown) ?? String(thrown);
    const cause =
      found === 'ENOENT'
        ? 'the chart value tpm.device is not set, or the machine was not started by firmware with a TPM'
        : 'the agent may not read it; copy it from the node and give it with --file';
    return { status: 503, type: 'text/plain', body: `no event log at ${path}: ${found}; ${cause}\n` };
  }
}
