// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { buildGo } from '../clients/go-client.ts';

const execute = promisify(execFile);

/** Of identity tokens: its name, and where it gives them to whoever asks. */
export interface Issuer {
  readonly url: string;
  readonly tokens: string;
}

interface Addresses {
  readonly fulcio: string;
  readonly timestamps: string;
  readonly rekor: string;
  /** Fulcio trusts each. */
  readonly issuers: readonly [Issuer, Issuer];
  readonly trustedRoot: object;
}

/** Fulcio, Rekor, a timestamp authority and two issuers of tokens on loopback, see sigstore-services/main.go; and who signs by them. */
export class Sigstore {
  readonly addresses: Addresses;
  readonly #folder: string;
  readonly #services: ChildProcess;

  private constructor(addresses: Addresses, folder: string, services: ChildProcess) {
    this.addresses = addresses;
    this.#folder = folder;
    this.#services = services;
  }

  /** Builds both programs, once for each version of their modules: Go keeps what it has compiled. */
  static async start(): Promise<Sigstore> {
    const folder = mkdtempSync(join(tmpdir(), 'keystead-sigstore-'));
    for (const name of ['sigstore-services', 'cosign-sign']) {
      writeFileSync(join(folder, name), buildGo(join(import.meta.dirname, name)), { mode: 0o755 });
    }
    const services = spawn(join(folder, 'sigstore-services'), [folder], { stdio: ['pipe', 'pipe', 'pipe'] });
    let complaints = '';
    services.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
    const told = (await Promise.race([
      once(createInterface(services.stdout), 'line'),
      once(services, 'exit').then(() => Promise.reject(new Error(`sigstore-services has ended: ${complaints}`))),
    ])) as [string];
    return new Sigstore(JSON.parse(told[0]) as Addresses, folder, services);
  }

  /** Signs `registry/name@sha256:…` as this address of one of the issuers says, and resolves with the bundle, JSON. */
  async sign(reference: string, email: string, { tokens }: Issuer): Promise<string> {
    const token = await (await fetch(`${tokens}?email=${encodeURIComponent(email)}`)).text();
    const { fulcio, timestamps, rekor } = this.addresses;
    const args = ['keyless', reference, fulcio, timestamps, rekor, token];
    return (await execute(join(this.#folder, 'cosign-sign'), args)).stdout;
  }

  /** Puts a bundle beside an image, where cosign does. */
  async attach(reference: string, bundle: string): Promise<void> {
    const running = execute(join(this.#folder, 'cosign-sign'), ['attach', reference]);
    running.child.stdin?.end(bundle);
    await running;
  }

  close(): void {
    this.#services.stdin?.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
