// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeImage, type Image } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { sharedLibraries } from '../../src/build/image/shared-libraries.ts';
import type { TarEntry } from '../../src/build/image/tar.ts';

const execute = promisify(execFile);

export interface AttackerImage {
  readonly image: Image;
  /** sha256 of /app/attacker and of /app/caller. */
  readonly sha256: string;
  readonly callerSha256: string;
}

/**
 * An image with the programs `attacker` and `caller` (see programs), a library, a busybox, and the folder /app of the
 * module's own user, as careless images have it: what is in there can be replaced at run time.
 */
export async function attackerImage(): Promise<AttackerImage> {
  const folder = await mkdtemp(join(tmpdir(), 'keystead-attacker-'));
  try {
    const program = join(folder, 'attacker');
    const calling = join(folder, 'caller');
    const library = join(folder, 'harmless.so');
    const source = (name: string): string => join(import.meta.dirname, 'programs', name);
    await execute('gcc', ['-O1', '-o', program, source('attacker.c')]);
    await execute('gcc', ['-O1', '-o', calling, source('caller.c')]);
    await execute('gcc', ['-O1', '-shared', '-fPIC', '-o', library, source('harmless.c')]);
    const content = await readFile(program);
    const caller = await readFile(calling);
    // The same but for its hash.
    const second = Buffer.concat([caller, Buffer.from('\n')]);
    const busybox = await readFile('/bin/busybox');
    const libraries = await Promise.all(
      (await sharedLibraries([program])).map(async ({ path, source: from }) =>
        file(path.slice(1), await readFile(from)),
      ),
    );
    const layer = await packLayer([
      file('bin/busybox', busybox),
      { kind: 'symlink', path: 'bin/sh', mode: 0o777, target: 'busybox' },
      { kind: 'symlink', path: 'bin/sleep', mode: 0o777, target: 'busybox' },
      { kind: 'directory', path: 'tmp', mode: 0o1777 },
      { kind: 'directory', path: 'data', mode: 0o777 },
      file('app/attacker', content),
      file('app/twin', content),
      file('app/caller', caller),
      file('app/second', second),
      file('app/entry.sh', Buffer.from('#!/bin/sh\nwhile [ ! -e /tmp/go ]; do sleep 0.2; done\nsleep 1000000\n')),
      { ...file('app/tool', busybox), uid: 1000, gid: 1000 },
      file('lib/harmless.so', await readFile(library)),
      ...libraries,
    ]);
    const image = makeImage([layer], {
      entrypoint: ['/app/attacker'],
      user: '1000:1000',
      labels: { 'org.opencontainers.image.title': 'keystead attacker' },
    });
    return { image, sha256: sha256(content), callerSha256: sha256(caller) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function file(path: string, content: Buffer): TarEntry {
  return { kind: 'file', path, mode: 0o755, content };
}
