// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { makeImage } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { pushImage } from '../../src/build/image/registry.ts';

/**
 * Builds the Go program in a folder and pushes it as an image of that one file, `/client`. `variant` gives images that
 * behave the same and differ in their digests. Resolves with references pinned by the index digest.
 */
export async function pushGoClient(source: string, variants: readonly string[], registry: string): Promise<string[]> {
  const name = basename(source);
  const program = buildGo(source);
  const layer = await packLayer([{ kind: 'file', path: 'client', mode: 0o755, content: program }]);
  const references: string[] = [];
  for (const variant of variants) {
    const labels = { 'org.opencontainers.image.title': `${name} ${variant}` };
    const image = makeImage([layer], { entrypoint: ['/client'], user: '1000:1000', labels });
    const { reference } = await pushImage(image, variant, { registry, name: `keystead/${name}` });
    references.push(reference);
  }
  return references;
}

/** Static, so that it needs nothing of the image. Dependencies come by the module proxy, pinned by go.sum. */
export function buildGo(source: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-client-'));
  try {
    const file = join(folder, 'client');
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-trimpath', GOTOOLCHAIN: 'local' };
    execFileSync('go', ['build', '-ldflags', '-s -w', '-o', file, '.'], { cwd: source, env });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
