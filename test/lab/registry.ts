// SPDX-License-Identifier: Apache-2.0
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeConfig } from './config-file.ts';
import type { Daemon } from './daemon.ts';
import { REGISTRY_PORT, type LabSettings } from './settings.ts';

/** The registry as image references name it; host, node and pods reach it there over plain HTTP. */
export function registryHost(settings: LabSettings): string {
  return `${settings.addresses.controlPlane}:${REGISTRY_PORT}`;
}

/** Writes the configuration of the registry. Idempotent. */
export async function configureRegistry(settings: LabSettings): Promise<void> {
  const storage = join(settings.dir, 'registry');
  await mkdir(storage, { recursive: true });
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: registryHost(settings) },
  };
  await writeConfig(configFile(settings), config);
}

/** Debian's docker-registry, without its service. */
export function registryDaemon(settings: LabSettings): Daemon {
  return {
    name: 'registry',
    command: '/usr/bin/docker-registry',
    args: ['serve', configFile(settings)],
    env: { OTEL_TRACES_EXPORTER: 'none' },
  };
}

/** Resolves to true once the registry answers. */
export async function registryAnswers(settings: LabSettings): Promise<boolean> {
  return fetch(`http://${registryHost(settings)}/v2/`).then(
    ({ ok }) => ok,
    () => false,
  );
}

function configFile({ dir }: LabSettings): string {
  return join(dir, 'registry.json');
}
