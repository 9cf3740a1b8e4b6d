// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '../../../src/log.ts';
import { KeyOwner } from '../../../src/notary/root-of-trust/pkcs11/key-owner.ts';
import { Pkcs11Libraries } from '../../../src/notary/root-of-trust/pkcs11/library.ts';
import { PinGuard } from '../../../src/notary/root-of-trust/pkcs11/pin-guard.ts';
import { Pkcs11Root } from '../../../src/notary/root-of-trust/pkcs11/root.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { APT_WAITS } from '../../lab/packages.ts';
import { requireTools, SoftTpm } from '../swtpm/swtpm.ts';
import { setEnvironment } from './environment.ts';
import { ALL, type RootUnderTest } from './root-under-test.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so';
const TCTI = 'tabrmd:bus_type=session';
const [PIN, SO_PIN] = ['1234', '12345678'];

/** Installs what is missing; throws with the packages' names. */
function requirePackages(): void {
  const wanted: readonly (readonly [string, string])[] = [
    ['/usr/sbin/tpm2-abrmd', 'tpm2-abrmd'],
    ['/usr/bin/dbus-daemon', 'dbus'],
    ['/usr/bin/tpm2_ptool', 'libtpm2-pkcs11-tools'],
    [LIBRARY, 'libtpm2-pkcs11-1'],
    ['/usr/lib/x86_64-linux-gnu/libtss2-tcti-tabrmd.so.0', 'libtss2-tcti-tabrmd0'],
  ];
  const missing = wanted.filter(([path]) => !existsSync(path)).map(([, name]) => name);
  if (missing.length === 0) return;
  try {
    execFileSync('apt-get', [...APT_WAITS, 'install', '-y', '--no-install-recommends', ...missing], { stdio: 'pipe' });
  } catch (cause) {
    const found = `these tests need the Debian packages ${missing.join(', ')}, and apt-get cannot install them`;
    throw new Error(found, { cause });
  }
}

/** The resource manager of user space before a swtpm, on a message bus of its own: what /dev/tpmrm0 is in the kernel. */
class ResourceManager {
  readonly #soft: SoftTpm;
  readonly #bus: string;
  #daemons: ChildProcess[] = [];

  constructor(soft: SoftTpm) {
    this.#soft = soft;
    this.#bus = `unix:path=${soft.path('bus')}`;
  }

  get environment(): NodeJS.ProcessEnv {
    return { DBUS_SESSION_BUS_ADDRESS: this.#bus, TPM2TOOLS_TCTI: TCTI };
  }

  async start(): Promise<void> {
    const bus = spawn('dbus-daemon', ['--session', '--nofork', `--address=${this.#bus}`], { stdio: 'ignore' });
    await until(() => existsSync(this.#soft.path('bus')), 'the message bus');
    const place = this.#soft.socketPlace;
    const tcti = 'path' in place ? `swtpm:path=${place.path}` : `swtpm:host=${place.host},port=${place.port}`;
    const env = { ...process.env, ...this.environment };
    const manager = spawn('tpm2-abrmd', ['--session', '--allow-root', `--tcti=${tcti}`], { env, stdio: 'ignore' });
    this.#daemons = [manager, bus];
    await until(() => this.#answers(), 'the resource manager');
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons.splice(0)) {
      daemon.kill('SIGTERM');
      if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
    }
  }

  #answers(): boolean {
    const env = { ...process.env, ...this.environment };
    try {
      execFileSync('tpm2_getrandom', ['--hex', '4'], { env, stdio: 'pipe' });
      return true;
    } catch {
      return false;
    }
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; !holds(); attempt++) {
    if (attempt === 100) throw new Error(`did not come up: ${what}`);
    await sleep(50);
  }
}

/** PKCS#11 over tpm2-pkcs11, a resource manager and swtpm. */
export async function tpm2Pkcs11Root(): Promise<RootUnderTest> {
  requireTools();
  requirePackages();
  const soft = await SoftTpm.started();
  const manager = new ResourceManager(soft);
  try {
    await manager.start();
    return withToken(soft, manager);
  } catch (thrown) {
    await manager.stop();
    await soft.remove();
    throw thrown;
  }
}

function withToken(soft: SoftTpm, manager: ResourceManager): RootUnderTest {
  const store = soft.path('store');
  mkdirSync(store);
  const environment = {
    ...manager.environment,
    TPM2_PKCS11_STORE: store,
    TPM2_PKCS11_TCTI: TCTI,
    TPM2_PKCS11_BACKEND: 'esysdb',
    TPM2_PKCS11_LOG_LEVEL: '0',
    TSS2_LOG: 'all+NONE',
  };
  const env = { ...process.env, ...environment };
  execFileSync('tpm2_ptool', ['init', `--path=${store}`], { env, stdio: 'pipe' });
  const token = ['addtoken', '--pid=1', '--label=contract', `--userpin=${PIN}`, `--sopin=${SO_PIN}`];
  execFileSync('tpm2_ptool', [...token, `--path=${store}`], { env, stdio: 'pipe' });
  const pinFile = soft.path('pin');
  writeFileSync(pinFile, PIN);
  setEnvironment(environment);
  const state = new StateFolder(soft.path('notary'));
  const pins = new PinGuard(state);
  const libraries = new Pkcs11Libraries();
  return {
    kind: 'PKCS11',
    missing: ['RSA-4096'],
    digests: ALL,
    secrets: false,
    ciphers: false,
    open: () => {
      const library = libraries.open(LIBRARY);
      const log = createLogger('test', 'silent');
      const parts = { pins, owner: KeyOwner.of(state), log };
      return new Pkcs11Root({ library, choice: { tokenLabel: 'contract' }, pinFile, ...parts });
    },
    restart: async () => {
      libraries.finalize();
      await manager.stop();
      await soft.restart();
      await manager.start();
    },
    remove: async () => {
      libraries.finalize();
      await manager.stop();
      await soft.remove();
    },
  };
}
