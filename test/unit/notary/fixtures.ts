// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from '@jest/globals';
import { asKeysteadError, KeysteadError } from '../../../src/errors.ts';
import { createLogger, type Logger } from '../../../src/log.ts';
import { MessageChannel } from 'node:worker_threads';
import { encodeUse } from '../../../src/audit/key-use.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import type { AuditEntry, AuditTrail, UseRecorder } from '../../../src/notary/audit.ts';
import { Drafting } from '../../../src/notary/drafts/drafting.ts';
import { FrontConfiguration } from '../../../src/notary/front-configuration.ts';
import { NotaryFront } from '../../../src/notary/front.ts';
import { NotaryMetrics } from '../../../src/notary/metrics.ts';
import { HeldBackUse } from '../../../src/notary/threads/performer.ts';
import { TokenThread } from '../../../src/notary/threads/thread.ts';
import { TokenWorker } from '../../../src/notary/threads/worker.ts';
import type { CertificateRequest, NotaryConfiguration } from '../../../src/notary/port.ts';
import { ModuleThreadService } from '../../../src/notary/module-thread-service.ts';
import { NotaryService } from '../../../src/notary/service.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import type { Post } from '../../../src/notary/token-threads.ts';
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

class RecordingUses implements UseRecorder {
  readonly entries: AuditEntry[] = [];
  record(entry: AuditEntry): void {
    this.entries.push(entry);
  }
}

export interface ServiceParts {
  readonly token: MemoryToken;
  readonly folder?: string;
  readonly clock?: SettableClock;
  readonly tokens?: Readonly<Record<string, MemoryToken>>;
}

/** A service over tokens in memory, as it works in its thread; `tokens` by label where there are several. */
export function serviceOver(parts: ServiceParts): {
  service: NotaryService;
  audit: RecordingUses;
  openings: (ErrorCode | 'Ok')[];
  lines: Record<string, unknown>[];
  log: Logger;
} {
  const audit = new RecordingUses();
  const openings: (ErrorCode | 'Ok')[] = [];
  const { log, lines } = recordedLog();
  const service = new NotaryService(
    serviceOptions(parts, { log, uses: audit, opening: (code) => openings.push(code) }),
  );
  return { service, audit, openings, lines, log };
}

function serviceOptions(
  parts: ServiceParts,
  rest: { log: Logger; uses: UseRecorder; opening: (result: ErrorCode | 'Ok') => void; changed?: () => void },
): ConstructorParameters<typeof NotaryService>[0] {
  return {
    openRoot: (choice) => {
      const label = 'pkcs11' in choice ? choice.pkcs11.tokenLabel : undefined;
      return (parts.tokens?.[label ?? ''] ?? parts.token).open();
    },
    openAttester: () => {
      throw new KeysteadError('TokenAbsent', 'there is no TPM');
    },
    program: Buffer.alloc(32),
    state: new StateFolder(parts.folder ?? temporaryFolder()),
    clock: parts.clock ?? new SettableClock(),
    changed: () => undefined,
    ...rest,
  };
}

/** A trail in memory; `failure` is thrown at what it names. */
export class MemoryTrail implements AuditTrail {
  readonly uses: Record<string, unknown>[] = [];
  commits = 0;
  failure: Error | undefined;
  commitFailure: Error | undefined;
  admit(): void {
    if (this.failure) throw this.failure;
  }
  append(use: string): void {
    this.admit();
    this.uses.push(JSON.parse(use) as Record<string, unknown>);
  }
  commit(): void {
    this.commits++;
    if (this.commitFailure) throw this.commitFailure;
  }
  state(): ReturnType<AuditTrail['state']> {
    const failure = this.failure && asKeysteadError(this.failure);
    return { records: this.uses.length, head: '00', ...(failure && { failure }) };
  }
}

/** The whole notary behind its socket, its thread in this one. */
export function frontOver(parts: ServiceParts): {
  front: NotaryFront;
  configuration: FrontConfiguration;
  trail: MemoryTrail;
  metrics: NotaryMetrics;
  lines: Record<string, unknown>[];
  log: Logger;
} {
  const trail = new MemoryTrail();
  const metrics = new NotaryMetrics();
  const { log, lines } = recordedLog();
  const folder = parts.folder ?? temporaryFolder();
  const startThread = (post: Post): TokenThread =>
    threadOver({ ...parts, folder }, { ...post, log, opening: (result) => metrics.tokenOpenings.inc({ result }) });
  const configuration = new FrontConfiguration({ state: new StateFolder(folder), log, startThread });
  const front = new NotaryFront({
    ...{ configuration, audit: trail, metrics, version: '1.2.3' },
    drafting: new Drafting({ clock: parts.clock ?? new SettableClock(), encodeUse, log }),
    handOver: () => undefined,
  });
  return { front, configuration, trail, metrics, lines, log };
}

/** Both ends of a thread's line, in this thread. */
function threadOver(
  parts: ServiceParts,
  { log, role, ...rest }: Post & { log: Logger; opening: (result: ErrorCode | 'Ok') => void },
): TokenThread {
  const { port1, port2 } = new MessageChannel();
  const uses = new HeldBackUse(encodeUse);
  const changed = (): void => worker.tellStatus();
  const Service = role === 'Modules' ? ModuleThreadService : NotaryService;
  const service = new Service(
    serviceOptions(parts, { log, uses, opening: (result) => port2.postMessage({ kind: 'opening', result }), changed }),
  );
  const worker = new TokenWorker({
    line: port2,
    service,
    uses,
    flush: () => undefined,
    end: () => port2.close(),
  });
  return new TokenThread({
    line: port1,
    log,
    limits: { tellAfter: 10, endAfter: 100 },
    write: () => undefined,
    lost: () => undefined,
    ...rest,
  });
}

/** Waits until a condition holds; fails after ten seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not come about: ${what}`);
    await sleep(5);
  }
}
