// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { logFiles } from '../../../src/audit/files.ts';
import { encodeUse } from '../../../src/audit/key-use.ts';
import { AuditLog, type AuditLogOptions } from '../../../src/audit/log.ts';
import { auditSource, contents } from '../../../src/audit/source.ts';
import { verify, type Verification } from '../../../src/audit/verify.ts';
import type { AuditEntry } from '../../../src/notary/audit.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const NOON = Date.UTC(2026, 10, 22, 12);

/** A log on a clock that goes on by a second at each look. */
export function openLog(folder: string, options: Partial<AuditLogOptions> = {}): AuditLog {
  let time = NOON;
  const clock = { now: (): number => (time += 1000) };
  return new AuditLog({ folder, clock, version: '1.2.3', syncMs: 60_000, ...options });
}

type Entry = AuditEntry & Required<Pick<AuditEntry, 'requester'>>;

export function entry(serial: number, change: Partial<Entry> = {}): Entry {
  return {
    operation: 'issue',
    requester: {
      module: 'factory/press',
      identity: 'factory/press',
      pod: 'factory/press-0',
      podUid: '7f1f9d5e',
      container: 'main',
      pid: 4711,
      imageDigest: 'sha256:00',
    },
    keyUri: 'pkcs11:token=edge;object=ca-1',
    spiffeId: 'spiffe://edge.example/ns/factory/module/press',
    result: 'Issued',
    serial: serial.toString(16).padStart(32, '0'),
    notBefore: NOON,
    notAfter: NOON + 600_000,
    ...change,
  };
}

/** A folder with a log of so many uses of a key. */
export function filledLog(uses: number, options: Partial<AuditLogOptions> = {}): string {
  const folder = temporaryFolder();
  const log = openLog(folder, options);
  append(log, uses);
  log.close();
  return folder;
}

export function append(log: AuditLog, uses: number): void {
  for (let use = 1; use <= uses; use++) {
    log.append(encodeUse(entry(use)));
    log.commit();
  }
}

export function verifyFolder(folder: string, head?: string): Verification {
  const source = auditSource([folder]);
  return verify(contents(source), { whole: source.whole, ...(head !== undefined && { head }) });
}

/** Severity and kind of each finding. */
export function kinds({ findings }: Verification): string[] {
  return findings.map(({ severity, kind }) => `${severity} ${kind}`);
}

export function lines(folder: string): Record<string, unknown>[] {
  const texts = logFiles(folder).map(({ path }) => readFileSync(path, 'utf8'));
  return texts
    .join('')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
