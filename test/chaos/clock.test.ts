// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ALL_FILES, Scene, until } from '../e2e/harness.ts';
import { waitForRelease } from '../quickstart/install.ts';
import { presentLab } from '../quickstart/target.ts';

/**
 * The clock of a node is set while it works: that of the agent's and the notary's processes, by shifted-clock.ts, since the
 * machine's own is everybody's.
 */
const execute = promisify(execFile);
const scene = new Scene('clock');
const LIMIT = 180_000;
const HOUR = 3_600_000;
const PROCESSES = ['agent', 'notary'] as const;
const stateOf = (process: (typeof PROCESSES)[number]): string => join(scene.lab.dir, 'keystead', process);

/** Has both processes start with the shifted clock, or without it. */
async function install(shifted: boolean): Promise<void> {
  const target = presentLab()!;
  const chart = resolve(import.meta.dirname, '../../charts/keystead');
  const set = PROCESSES.flatMap((process) => {
    const value = `--import=/var/lib/keystead/${process}/shifted-clock.ts`;
    return ['--set-json', `${process}.extraEnv=${JSON.stringify(shifted ? [{ name: 'NODE_OPTIONS', value }] : [])}`];
  });
  const args = ['upgrade', 'keystead', chart, '-n', 'keystead-system', '--reuse-values', ...set];
  await execute(target.helm, args, { env: target.kubectl.environment });
  await waitForRelease(target);
}

function setClock(offsetMs: number): void {
  for (const process of PROCESSES) writeFileSync(join(stateOf(process), 'clock-offset'), String(offsetMs));
}

const windowed = (name: string, window: object): object[] => [
  scene.object('EdgeModule', name, {
    selector: { matchLabels: { app: name } },
    images: [{ digest: scene.digests.index }],
    remeasureInterval: '1s',
    window,
  }),
  scene.object('ModuleIdentity', name, { moduleRef: { name }, x509: { duration: '30m' } }),
  scene.pod(name, { app: name }),
];
const at = (milliseconds: number): string => new Date(milliseconds).toISOString().replace(/\.\d+Z/, 'Z');

beforeAll(async () => {
  await scene.open();
  for (const process of PROCESSES) {
    copyFileSync(join(import.meta.dirname, 'shifted-clock.ts'), join(stateOf(process), 'shifted-clock.ts'));
  }
  setClock(0);
  await install(true);
  const now = Date.now();
  await scene.apply(
    ...windowed('open', { notAfter: at(now + HOUR) }),
    ...windowed('closed', { notAfter: at(now - HOUR) }),
  );
  await scene.holder('open', 'Allowed');
  await scene.filesAre('open', ALL_FILES);
  expect(await scene.holder('closed', 'Denied')).toMatchObject({ reason: 'PolicyOutOfTime' });
}, LIMIT);
afterAll(async () => {
  setClock(0);
  await install(false);
  await scene.close();
}, LIMIT);

/** The certificate that lies in the pod, once it is as wanted. */
function certificate(what: string, wanted: (found: X509Certificate) => boolean): Promise<X509Certificate> {
  return until(`a certificate ${what}`, 60, async () => {
    const found = new X509Certificate(await scene.read('open', 'tls.crt'));
    return wanted(found) ? found : `from ${found.validFrom} until ${found.validTo}`;
  });
}

/** What openssl says of it, with the true time. */
async function verified(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-clock-'));
  try {
    for (const name of ['ca.crt', 'crl.pem', 'tls.crt'])
      writeFileSync(join(folder, name), await scene.read('open', name));
    const options = ['verify', '-crl_check', '-CAfile', 'ca.crt', '-CRLfile', 'crl.pem', 'tls.crt'];
    const { stdout, stderr } = spawnSync('openssl', options, { cwd: folder, encoding: 'utf8' });
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const isGoodNow = ({ validFromDate, validToDate }: X509Certificate): boolean =>
  validFromDate.getTime() <= Date.now() && validToDate.getTime() > Date.now();

function clockCondition(status: string): Promise<{ message: string }> {
  return scene.condition('edgedevice', scene.lab.nodeName, 'ClockSynchronized', status);
}

describe('a clock that is set ahead', () => {
  it(
    'closes no window before its time, and is told',
    async () => {
      setClock(2 * HOUR);
      await certificate('from the future', ({ validFromDate }) => validFromDate.getTime() > Date.now());
      expect((await clockCondition('False')).message).toContain('ahead of');
      expect(await scene.holder('open', 'Allowed')).toBeDefined();
      await scene.filesAre('open', ALL_FILES);
    },
    LIMIT,
  );

  it(
    'and back leaves nobody with what is good for nobody yet',
    async () => {
      setClock(0);
      await certificate('that is good now', isGoodNow);
      await until('a revocation list that is good now', 90, async () => {
        const said = await verified();
        return said.includes('tls.crt: OK') ? (true as const) : said;
      });
      await clockCondition('True');
    },
    LIMIT,
  );
});

describe('a clock that is set back', () => {
  it(
    'opens no window that has closed',
    async () => {
      setClock(-2 * HOUR);
      expect((await clockCondition('False')).message).toContain('behind');
      expect(await scene.holder('closed', 'Denied')).toMatchObject({ reason: 'PolicyOutOfTime' });
    },
    LIMIT,
  );

  it(
    'and on again brings certificates that are good',
    async () => {
      setClock(0);
      await certificate('that is good now', isGoodNow);
    },
    LIMIT,
  );
});
