// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { logFiles } from '../../../src/audit/files.ts';
import type { NotaryConfiguration } from '../../../src/notary/port.ts';
import { NotaryProcess, type NotaryProcessOptions } from './notary-process.ts';
import { Interposer, SoftHsm, softhsmLibrary } from './softhsm.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Has something done after the test, before what was arranged earlier is undone. */
export function atEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

export const TOKEN = 'edge token';

/** A folder with a SoftHSM2 of its own, and a notary on it. */
export class Setting {
  readonly folder = mkdtempSync(join(tmpdir(), 'keystead-softhsm-'));
  readonly hsm = new SoftHsm(this.folder);
  readonly interposer = new Interposer(this.folder);
  readonly notary: NotaryProcess;

  constructor(options: Partial<NotaryProcessOptions> = {}) {
    chmodSync(this.folder, 0o755);
    const environment = { ...this.hsm.environment, ...this.interposer.environment, ...options.environment };
    this.notary = new NotaryProcess({ folder: this.folder, ...options, environment });
    cleanups.push(async () => {
      this.notary.client.close();
      await this.notary.stop('SIGKILL');
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** What the notary's audit log holds. */
  get auditRecords(): Record<string, unknown>[] {
    const texts = logFiles(join(this.folder, 'state')).map(({ path }) => readFileSync(path, 'utf8'));
    const lines = texts.join('').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** `interposed` puts the fault-bringing library in between. */
  configuration(
    change: { interposed?: boolean; library?: string; algorithm?: 'EC-P256' | 'EC-P384' | 'RSA-2048' } = {},
  ): NotaryConfiguration {
    const library = change.library ?? (change.interposed ? this.interposer.library : softhsmLibrary());
    return {
      trustDomain: 'edge.example',
      node: 'node-1',
      rootOfTrust: { pkcs11: { library, tokenLabel: TOKEN, pinFile: this.hsm.pinFile } },
      issuer: { algorithm: change.algorithm ?? 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
      tokens: { keyLifetimeSeconds: 86_400, maxSeconds: 3600 },
    };
  }
}
