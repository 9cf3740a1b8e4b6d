// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyedCredentials } from '../../../src/deliver/port.ts';

export interface Made {
  /** PEM of the authority. */
  readonly authority: string;
  /** One set of credentials for each SPIFFE ID that was asked for. */
  readonly credentials: readonly KeyedCredentials[];
}

/** An authority and leaves of it, by openssl. A leaf's chain ends with the authority, as an intermediate would lie there. */
export function makeCredentials(ids: readonly string[]): Made {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-workload-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  try {
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ca', '-days', '30');
    const credentials = ids.map((id, index) => {
      const leaf = ['-keyout', `${index}.key`, '-out', `${index}.crt`, '-subj', '/', '-days', '1'];
      const san = `subjectAltName=critical,URI:${id}`;
      openssl('req', '-x509', ...key, ...leaf, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-addext', san);
      return { privateKey: read(`${index}.key`), chain: read(`${index}.crt`) + read('ca.crt') };
    });
    return { authority: read('ca.crt'), credentials };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
