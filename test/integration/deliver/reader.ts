// SPDX-License-Identifier: Apache-2.0
/**
 * A program of its own that reads a volume as fast as it can: `node reader.ts <directory> <reads>`.
 * Prints one JSON line: reads done, those that were a mix, those to be tried again, times that there was
 * no revision at all, pairs met.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

const [directory = '', count = '0'] = process.argv.slice(2);
/** Looks at `..data` for each read: a moment without it would be short. */
const LOOKS = 30;
const found = { reads: 0, mixes: 0, retries: 0, missing: 0, pairs: 0 };
const pairs = new Set<string>();

const matches = (key: string, chain: string): boolean => {
  const certificate = new X509Certificate(chain);
  pairs.add(certificate.subject);
  return certificate.checkPrivateKey(createPrivateKey(key));
};

/** `..data` itself must be there at every moment. */
const currentRevision = (): string => {
  try {
    return readlinkSync(join(directory, '..data'));
  } catch (error) {
    found.missing += 1;
    throw error;
  }
};

/** Resolves `..data` once, then opens the files of that revision. */
const byRevision = (): boolean => {
  const revision = join(directory, currentRevision());
  const key = readFileSync(join(revision, 'tls.key'), 'utf8');
  return matches(key, readFileSync(join(revision, 'tls.crt'), 'utf8'));
};

/** Opens one file. */
const byBundle = (): boolean => {
  const bundle = readFileSync(join(directory, 'credential-bundle.pem'), 'utf8');
  return matches(bundle, bundle.slice(bundle.indexOf('-----BEGIN CERTIFICATE')));
};

while (found.reads < Number(count)) {
  try {
    for (let look = 0; look < LOOKS; look++) currentRevision();
    const whole = found.reads % 2 === 0 ? byRevision() : byBundle();
    found.reads += 1;
    if (!whole) found.mixes += 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    found.retries += 1;
  }
}
found.pairs = pairs.size;
console.log(JSON.stringify(found));
