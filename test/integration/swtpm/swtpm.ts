// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DescriptorChannel } from '../../../src/notary/root-of-trust/tpm/descriptor-channel.ts';
import { openTpm, type TpmOptions } from '../../../src/notary/root-of-trust/tpm/open.ts';
import type { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import type { SocketPlace } from '../../../src/os/stream-socket.ts';
import { APT_WAITS } from '../../lab/packages.ts';

/** TPM2_Shutdown(TPM_SU_CLEAR). */
const SHUTDOWN_CLEAR = Buffer.from('80010000000c000001450000', 'hex');

type Auths = Pick<TpmOptions, 'ownerAuth' | 'endorsementAuth' | 'lockoutAuth' | 'timeoutMs' | 'exclusive'>;

/** Installs what the tests need and this machine lacks. Throws with the packages' names. */
export function requireTools(): void {
  const wanted: readonly (readonly [string, string])[] = [
    ['/usr/bin/swtpm', 'swtpm'],
    ['/usr/bin/swtpm_setup', 'swtpm-tools'],
    ['/usr/bin/tpm2_createek', 'tpm2-tools'],
    ['/usr/bin/socat', 'socat'],
    ['/usr/bin/openssl', 'openssl'],
  ];
  const missing = wanted.filter(([path]) => !existsSync(path)).map(([, name]) => name);
  if (missing.length === 0) return;
  try {
    execFileSync('apt-get', [...APT_WAITS, 'install', '-y', '--no-install-recommends', ...missing], { stdio: 'pipe' });
  } catch (cause) {
    throw new Error(`these tests need the Debian packages ${missing.join(', ')}, and apt-get cannot install them`, {
      cause,
    });
  }
}

/** Two neighbouring free TCP ports: tpm2-tools expect the control channel beside the data channel. */
async function freePorts(): Promise<number> {
  for (;;) {
    const [first, second] = [createServer(), createServer()];
    try {
      await once(first.listen(0, '127.0.0.1'), 'listening');
      const { port } = first.address() as AddressInfo;
      await once(second.listen(port + 1, '127.0.0.1'), 'listening');
      return port;
    } catch {
      // The neighbour is taken: another pair.
    } finally {
      first.close();
      second.close();
    }
  }
}

/**
 * A software TPM in a folder of its own. It serves one data client at a time, so that ours is closed while a tool of
 * tpm2-tools runs; and it has no resource manager, so that leaks show.
 */
export class SoftTpm {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'keystead-swtpm-'));
  readonly #unix: boolean;
  #port = 0;
  #process: ChildProcess | undefined;
  #open: Tpm | undefined;

  constructor(options: { readonly unix?: boolean } = {}) {
    this.#unix = options.unix ?? false;
    mkdirSync(join(this.folder, 'state'));
  }

  static async started(options: { readonly unix?: boolean } = {}): Promise<SoftTpm> {
    const tpm = new SoftTpm(options);
    await tpm.start();
    return tpm;
  }

  get socketPath(): string {
    return join(this.folder, 'tpm.sock');
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  async start(): Promise<void> {
    this.#port ||= await freePorts();
    const server = this.#unix ? `type=unixio,path=${this.socketPath}` : `type=tcp,port=${this.#port}`;
    const control = this.#unix ? `type=unixio,path=${this.socketPath}.ctrl` : `type=tcp,port=${this.#port + 1}`;
    const state = `dir=${join(this.folder, 'state')}`;
    const flags = 'not-need-init,startup-clear';
    this.#process = spawn(
      'swtpm',
      ['socket', '--tpm2', '--tpmstate', state, '--server', server, '--ctrl', control, '--flags', flags],
      { stdio: 'ignore' },
    );
    const socket = this.socketPlace;
    for (let attempt = 0; ; attempt++) {
      try {
        openTpm({ socket }).close();
        return;
      } catch (thrown) {
        if (attempt === 200) throw thrown;
        await sleep(25);
      }
    }
  }

  async stop(): Promise<void> {
    const process = this.#process;
    if (process?.exitCode !== null || process.signalCode !== null) return;
    process.kill('SIGTERM');
    await once(process, 'exit');
  }

  /**
   * As a reboot of the machine, whose kernel sends TPM2_Shutdown (without it the TPM counts a wrong authorisation, and is
   * locked after the third): transient objects, sessions and PCRs are lost.
   */
  async restart(): Promise<void> {
    this.#open?.close();
    this.#open = undefined;
    const channel = DescriptorChannel.socket(this.socketPlace);
    channel.exchange(SHUTDOWN_CLEAR);
    channel.close();
    await this.stop();
    await this.start();
  }

  async remove(): Promise<void> {
    this.#open?.close();
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Our client; the one before is closed. */
  open(auths: Auths = {}): Tpm {
    this.#open?.close();
    this.#open = undefined;
    this.#open = openTpm({ socket: this.socketPlace, ...auths });
    return this.#open;
  }

  /** Runs one of tpm2-tools in the folder; what it leaves loaded is flushed. Our client is closed before. */
  tool(name: string, ...args: readonly string[]): string {
    this.#open?.close();
    this.#open = undefined;
    try {
      return this.#run(name, args);
    } finally {
      this.#run('tpm2_flushcontext', ['-t']);
      if (name !== 'tpm2_startauthsession' && name !== 'tpm2_policysecret') {
        this.#run('tpm2_flushcontext', ['-l']);
        this.#run('tpm2_flushcontext', ['-s']);
      }
    }
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get socketPlace(): SocketPlace {
    return this.#unix ? { path: this.socketPath } : { host: '127.0.0.1', port: this.#port };
  }

  #run(name: string, args: readonly string[]): string {
    const environment = { PATH: '/usr/bin:/bin', TPM2TOOLS_TCTI: `swtpm:host=127.0.0.1,port=${this.#port}` };
    return execFileSync(name, args, { cwd: this.folder, env: environment, encoding: 'utf8', stdio: 'pipe' });
  }
}
