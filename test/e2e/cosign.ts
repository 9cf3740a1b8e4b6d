// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildGo } from '../clients/go-client.ts';

const execute = promisify(execFile);

/** How cosign keeps a signature beside an image: its first format, or the bundle that is its default since version 3. */
export type SignatureFormat = 'simple' | 'bundle';

/** Signs images with cosign's own code; see cosign-sign/main.go. */
export class CosignSigner {
  readonly #folder = mkdtempSync(join(tmpdir(), 'keystead-cosign-'));
  readonly #program = join(this.#folder, 'cosign-sign');

  /** Builds it, once for each version of its modules: Go keeps what it has compiled. */
  constructor() {
    writeFileSync(this.#program, buildGo(join(import.meta.dirname, 'cosign-sign')), { mode: 0o755 });
  }

  /** Signs `registry/name@sha256:…` by a new key, and resolves with the public key, PEM. */
  async sign(format: SignatureFormat, reference: string): Promise<string> {
    return (await execute(this.#program, [format, reference])).stdout;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
