// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeImage } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { pushImage } from '../../src/build/image/registry.ts';

/**
 * Builds the Go program in a folder beside this file and pushes it as an image of that one file. `variant` gives images
 * that behave the same and differ in their digests. Resolves with a reference pinned by the index digest.
 */
export async function pushGoClient(folder: string, variants: readonly string[], registry: string): Promise<string[]> {
  const program = buildGo(join(import.meta.dirname, folder));
  const layer = await packLayer([{ kind: 'file', path: 'client', mode: 0o755, content: program }]);
  const references: string[] = [];
  for (const variant of variants) {
    const labels = { 'org.opencontainers.image.title': `${folder} ${variant}` };
    const image = makeImage([layer], { entrypoint: ['/client'], user: '1000:1000', labels });
    const { reference } = await pushImage(image, variant, { registry, name: `keystead/${folder}` });
    references.push(reference);
  }
  return references;
}

/** Static, so that it needs nothing of the image. Dependencies come by the module proxy, pinned by go.sum. */
function buildGo(source: string): Buffer {
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
