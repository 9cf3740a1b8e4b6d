// SPDX-License-Identifier: Apache-2.0
import { createHash, type Hash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { tarBytes, type TarEntry } from './tar.ts';

/** A compressed layer on disk. */
export interface Layer {
  readonly mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip';
  readonly digest: string;
  readonly size: number;
  /** Digest of the uncompressed tar, for the image configuration. */
  readonly diffId: string;
  readonly file: string;
}

/** Where packed layers are kept between runs; `XDG_CACHE_HOME` moves it. */
export function layerCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'keystead', 'layers');
}

/** Packs the entries, or takes the packed layer from the cache if nothing in them changed. */
export async function packLayer(entries: readonly TarEntry[], cacheDir: string = layerCacheDir()): Promise<Layer> {
  const file = join(cacheDir, `${await fingerprint(entries)}.tar.gz`);
  const record = `${file}.json`;
  const known = await readFile(record, 'utf8').catch(() => undefined);
  if (known && existsSync(file)) return { ...(JSON.parse(known) as Omit<Layer, 'file'>), file };
  await mkdir(cacheDir, { recursive: true });
  const partial = `${file}.${process.pid}`;
  try {
    const layer = await pack(entries, partial);
    await rename(partial, file);
    // Written last: a record without its layer would be believed.
    await writeFile(record, JSON.stringify(layer));
    return { ...layer, file };
  } finally {
    await rm(partial, { force: true });
  }
}

async function pack(entries: readonly TarEntry[], file: string): Promise<Omit<Layer, 'file'>> {
  const plain = createHash('sha256');
  const compressed = createHash('sha256');
  await pipeline(
    Readable.from(tarBytes(entries)),
    observed(plain),
    createGzip({ level: 6 }),
    observed(compressed),
    createWriteStream(file),
  );
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: `sha256:${compressed.digest('hex')}`,
    size: (await stat(file)).size,
    diffId: `sha256:${plain.digest('hex')}`,
  };
}

function observed(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

/** Names the content without reading large files: their path, size and time of change stand for them. */
async function fingerprint(entries: readonly TarEntry[]): Promise<string> {
  const hash = createHash('sha256').update(`zlib ${process.versions.zlib}\n`);
  for (const entry of [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(JSON.stringify([entry.kind, entry.path, entry.mode, entry.uid ?? 0, entry.gid ?? 0]));
    if (entry.kind === 'symlink') hash.update(entry.target);
    if (entry.kind !== 'file') continue;
    if (Buffer.isBuffer(entry.content)) hash.update(createHash('sha256').update(entry.content).digest());
    else hash.update(`${entry.content.source} ${entry.content.size} ${(await stat(entry.content.source)).mtimeMs}`);
  }
  return hash.digest('hex').slice(0, 32);
}
