// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from '@jest/globals';
import { createLogger, type Logger } from '../../../src/log.ts';
import type { Audit, AuditEntry } from '../../../src/notary/audit.ts';
import { NotaryMetrics } from '../../../src/notary/metrics.ts';
import type { CertificateRequest, NotaryConfiguration } from '../../../src/notary/port.ts';
import { NotaryService } from '../../../src/notary/service.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { freshPublicKey, SPIFFE_ID, TRUST_DOMAIN } from '../issue/samples.ts';
import type { MemoryToken } from './memory-root.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'notary-'));
  folders.push(folder);
  return folder;
}

export const PKCS11 = { library: '/lib/token.so', tokenLabel: 'edge', pinFile: '/etc/pin' };

export const CONFIGURATION: NotaryConfiguration = {
  trustDomain: TRUST_DOMAIN,
  node: 'node-1',
  rootOfTrust: { pkcs11: PKCS11 },
  issuer: { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
  tokens: { keyLifetimeSeconds: 86_400, maxSeconds: 3600 },
};

export const REQUEST: CertificateRequest = {
  spiffeId: SPIFFE_ID,
  publicKey: freshPublicKey(),
  dnsNames: ['press.factory.svc'],
  lifetimeSeconds: 600,
  requester: {
    module: 'factory/press',
    identity: 'factory/press',
    pod: 'factory/press-0',
    podUid: '7f1f9d5e',
    container: 'containerd://abc',
    pid: 4711,
    imageDigest: 'sha256:00',
  },
};

export class SettableClock {
  time = Date.UTC(2026, 10, 22, 12);
  now(): number {
    return this.time;
  }
}

/** Log lines, parsed. */
export function recordedLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { log: createLogger('notary', 'debug', { write }), lines };
}

export class RecordingAudit implements Audit {
  readonly entries: AuditEntry[] = [];
  commits = 0;
  failure: Error | undefined;
  record(entry: AuditEntry): void {
    if (this.failure) throw this.failure;
    this.entries.push(entry);
  }
  commit(): void {
    this.commits++;
  }
}

export interface ServiceParts {
  readonly token: MemoryToken;
  readonly folder?: string;
  readonly clock?: SettableClock;
  readonly tokens?: Readonly<Record<string, MemoryToken>>;
}

/** A service over tokens in memory; `tokens` by label where there are several. */
export function serviceOver(parts: ServiceParts): {
  service: NotaryService;
  audit: RecordingAudit;
  lines: Record<string, unknown>[];
  log: Logger;
  metrics: NotaryMetrics;
} {
  const audit = new RecordingAudit();
  const metrics = new NotaryMetrics();
  const { log, lines } = recordedLog();
  const service = new NotaryService({
    openRoot: (choice) => {
      const label = 'pkcs11' in choice ? choice.pkcs11.tokenLabel : undefined;
      return (parts.tokens?.[label ?? ''] ?? parts.token).open();
    },
    state: new StateFolder(parts.folder ?? temporaryFolder()),
    clock: parts.clock ?? new SettableClock(),
    log,
    metrics,
    audit,
    version: '1.2.3',
  });
  return { service, audit, lines, log, metrics };
}

/** Waits until a condition holds; fails after ten seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not come about: ${what}`);
    await sleep(5);
  }
}
