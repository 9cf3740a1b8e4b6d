// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { packLayer, type Layer } from '../../src/build/image/layer.ts';
import { file, installedOnce, libraries } from './packaged-client.ts';

/** The Rust program in a folder as `/client`, built once for each state of its sources; its crates are pinned by Cargo.lock. */
export async function rustLayer(folder: string): Promise<Layer> {
  const built = installedOnce(folder, ['Cargo.lock', 'Cargo.toml', 'src/main.rs'], (target) => {
    const options = ['--release', '--locked', '--quiet', '--target-dir', join(target, 'target')];
    execFileSync('cargo', ['build', ...options], { cwd: folder });
  });
  const program = join(built, 'target/release', 'client');
  return packLayer([file('client', program), ...(await libraries([program]))]);
}
