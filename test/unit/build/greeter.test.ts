// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, describe, it } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const PROGRAM = join(import.meta.dirname, '../../samples/greeter/greeter.ts');
const folder = mkdtempSync(join(tmpdir(), 'keystead-greeter-'));
const running: ChildProcess[] = [];

afterEach(() => running.splice(0).forEach((child) => child.kill('SIGKILL')));
afterAll(() => rmSync(folder, { recursive: true }));

const id = (name: string) => `spiffe://edge.test/ns/demo/module/${name}`;
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

openssl('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '1', '-subj', '/CN=ca');

/** Writes a new identity for `name` into a folder, complete or not at all. */
function issue(target: string, name: string): void {
  const fresh = mkdtempSync(join(folder, 'fresh-'));
  const [key, csr, crt, names] = ['tls.key', 'tls.csr', 'tls.crt', 'names'].map((file) => join(fresh, file)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(names, `subjectAltName=URI:${id(name)}`);
  openssl('req', ...NEW_KEY, '-keyout', key, '-out', csr, '-subj', '/CN=x');
  const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', names];
  openssl('x509', '-req', '-in', csr, ...signing, '-out', crt);
  execFileSync('cp', [join(folder, 'ca.crt'), fresh]);
  rmSync(target, { recursive: true, force: true });
  renameSync(fresh, target);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts a greeter; gives a function that waits for a line in its log. */
function start(identity: string, port: number, peerPort: number, peer: string): (line: RegExp) => Promise<void> {
  const env = {
    ...{ PATH: process.env['PATH'], IDENTITY_DIR: identity, PORT: String(port), PEER_PORT: String(peerPort) },
    ...{ PEER_ID: id(peer), PEER_SERVICE: 'localhost' },
  };
  const child = spawn(process.execPath, [PROGRAM], { env });
  running.push(child);
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return async (line) => {
    const deadline = Date.now() + 15_000;
    while (!line.test(log)) {
      if (Date.now() > deadline) throw new Error(`no line like ${String(line)} in:\n${log}`);
      await setTimeout(50);
    }
    log = log.replace(line, '');
  };
}

describe('the greeter', () => {
  it('starts with files or waits for them, greets and is greeted, follows a renewal and a withdrawal', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    const [portA, portB] = [await freePort(), await freePort()];
    issue(a, 'a');
    mkdirSync(b);
    const logA = start(a, portA, portB, 'b');
    const logB = start(b, portB, portA, 'a');
    await logA(/identity was there at the first instruction/);
    await logB(/identity is not there yet/);
    issue(b, 'b');
    await logA(new RegExp(` greeted ${id('b')}`));
    await logB(new RegExp(` greeted ${id('a')}`));
    await logB(new RegExp(`was greeted by ${id('a')}`));
    issue(a, 'a');
    await logA(/identity spiffe:.* serial/);
    await logA(/identity spiffe:.* serial/);
    await logB(new RegExp(` greeted ${id('a')}`));
    rmSync(a, { recursive: true });
    await logA(/identity was taken away/);
    await logB(/cannot greet/);
  }, 60_000);

  it('neither greets nor answers another identity of the same authority', async () => {
    const [a, c] = [join(folder, 'a'), join(folder, 'c')];
    const [portA, portC] = [await freePort(), await freePort()];
    issue(a, 'a');
    issue(c, 'c');
    const logA = start(a, portA, portC, 'b');
    const logC = start(c, portC, portA, 'a');
    await logA(new RegExp(`cannot greet .*expected ${id('b')}, found ${id('c')}`));
    await logA(new RegExp(`refused ${id('c')}`));
    await logC(new RegExp(`${id('a')} answered 403`));
  }, 60_000);
});
