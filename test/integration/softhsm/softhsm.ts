// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');
const LIBRARIES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

/** SoftHSM2's library on this machine; throws where it is not installed. */
export function softhsmLibrary(): string {
  const found = LIBRARIES.find((path) => existsSync(path));
  if (found === undefined)
    throw new Error(`SoftHSM2 is not installed (looked at ${LIBRARIES.join(', ')}): apt-get install softhsm2`);
  return found;
}

/** A SoftHSM2 of its own in a folder: configuration, tokens, PIN file. */
export class SoftHsm {
  readonly configuration: string;
  readonly tokens: string;
  readonly pinFile: string;

  constructor(folder: string) {
    this.configuration = join(folder, 'softhsm2.conf');
    this.tokens = join(folder, 'tokens');
    this.pinFile = join(folder, 'pin');
    mkdirSync(this.tokens, { recursive: true });
    const lines = [`directories.tokendir = ${this.tokens}`, 'objectstore.backend = file', 'log.level = ERROR', ''];
    writeFileSync(this.configuration, lines.join('\n'));
    this.setPin('1234');
  }

  get environment(): NodeJS.ProcessEnv {
    return { SOFTHSM2_CONF: this.configuration };
  }

  setPin(pin: string): void {
    writeFileSync(this.pinFile, `${pin}\n`);
  }

  makeToken(label: string): void {
    const pins = ['--pin', '1234', '--so-pin', '12345678'];
    const env = { ...process.env, ...this.environment };
    execFileSync('softhsm2-util', ['--init-token', '--free', '--label', label, ...pins], { env, stdio: 'pipe' });
  }

  /** What OpenSC's tool says, logged in to a token. */
  pkcs11Tool(label: string, ...args: string[]): string {
    const login = ['--module', softhsmLibrary(), '--token-label', label, '--login', '--pin', '1234'];
    const env = { ...process.env, ...this.environment };
    return execFileSync('pkcs11-tool', [...login, ...args], { env, stdio: 'pipe', encoding: 'utf8' });
  }
}

/** Files of the objects on the one token that this SoftHSM2 has. */
export function objectFiles(hsm: SoftHsm): string[] {
  const tokens = readdirSync(hsm.tokens, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return tokens
    .flatMap(({ name }) => readdirSync(join(hsm.tokens, name)))
    .filter((name) => /^[0-9a-f-]+\.object$/.test(name));
}

/** Compiles a C file of the tests against the PKCS#11 headers that pkcs11js brings. */
export function compileC(source: string, output: string, ...options: string[]): void {
  const headers = join(ROOT, 'node_modules/pkcs11js/includes/pkcs11');
  execFileSync('gcc', ['-O2', '-Wall', '-I', headers, ...options, source, '-o', output, '-ldl'], { stdio: 'pipe' });
}

/** What the interposer can be told to do, see its source. */
export type Fault =
  'C_Sign' | 'C_GenerateKeyPair' | 'absent' | 'flags' | 'flags-after-wrong-pin' | 'crash' | 'hang' | 'slow';

/** The library that brings faults between the notary and SoftHSM2. */
export class Interposer {
  readonly library: string;
  readonly #control: string;

  constructor(folder: string) {
    this.library = join(folder, 'interposer.so');
    this.#control = join(folder, 'control');
    mkdirSync(this.#control);
    compileC(join(import.meta.dirname, 'interposer.c'), this.library, '-shared', '-fPIC');
  }

  get environment(): NodeJS.ProcessEnv {
    return { INTERPOSER_LIBRARY: softhsmLibrary(), INTERPOSER_CONTROL: this.#control };
  }

  /** How often somebody logged in, or tried to. */
  get logins(): number {
    const path = join(this.#control, 'logins');
    return existsSync(path) ? readFileSync(path).length : 0;
  }

  set(name: Fault, value: number): void {
    writeFileSync(join(this.#control, name), String(value));
  }

  clear(name: Fault): void {
    rmSync(join(this.#control, name), { force: true });
  }
}
