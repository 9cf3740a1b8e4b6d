// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { layerCacheDir } from '../../src/build/image/layer.ts';

const VERSION = 'v0.11.0';
const MODULE = `github.com/spiffe/spiffe-helper/cmd/spiffe-helper@${VERSION}`;

/**
 * The program, statically linked: what KEYSTEAD_SPIFFE_HELPER names, else as Go installs it where the module proxy has it.
 * Undefined, and a word about it, where it is not to be had.
 */
export function spiffeHelper(): string | undefined {
  const given = process.env['KEYSTEAD_SPIFFE_HELPER'];
  if (given !== undefined) return given;
  const folder = join(layerCacheDir(), '../clients', `spiffe-helper-${VERSION}`);
  mkdirSync(folder, { recursive: true });
  const env = { ...process.env, GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '-trimpath', GOTOOLCHAIN: 'local' };
  const { status } = spawnSync('go', ['install', '-ldflags', '-s -w', MODULE], { env, stdio: 'ignore' });
  if (status === 0) return join(folder, 'spiffe-helper');
  console.warn('spiffe-helper is left out: build it without cgo, and give its path in KEYSTEAD_SPIFFE_HELPER');
  return undefined;
}
