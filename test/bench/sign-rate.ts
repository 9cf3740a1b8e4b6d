// SPDX-License-Identifier: Apache-2.0
/**
 * Rate of `sign` of the IoT Edge Workload API against the raw HMAC rate of the same token, in one run:
 * `node test/bench/sign-rate.ts [rounds]` prints {raw, sign, ratio, slow} as JSON. The key lies on the token; each call goes
 * over a pod's socket, is attested as in the agent, signed in the notary and recorded. Each round signs for a second from C
 * and for a second by a module, so that what else the machine does weighs on both; medians are reported. `slow` is the same
 * with SoftHSM2 behind a library that takes a millisecond more, as tokens of hardware do and more.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Incarnations } from '../../src/attest/incarnation.ts';
import type { Verdict } from '../../src/attest/port.ts';
import { createLogger } from '../../src/log.ts';
import { HeldSockets } from '../../src/os/held-sockets.ts';
import { Callers } from '../../src/workload/callers.ts';
import { IotEdgeApi } from '../../src/workload/iotedge/iot-edge-api.ts';
import type { IotEdgePorts } from '../../src/workload/iotedge/port.ts';
import { NotaryProcess } from '../integration/softhsm/notary-process.ts';
import { freshRequest } from '../integration/softhsm/requests.ts';
import { compileC, Interposer, SoftHsm, softhsmLibrary } from '../integration/softhsm/softhsm.ts';

const incarnations = new Incarnations();

export interface Rates {
  /** Signatures a second, C program, one session. */
  readonly raw: number;
  /** Calls a second, eight callers in another process. */
  readonly sign: number;
  readonly ratio: number;
}

export interface SignRate extends Rates {
  /** Of a token that takes `SLOW_MS` more for each signature. */
  readonly slow: Rates;
}

const TOKEN = 'bench';
const MODULE = {
  identity: 'historian',
  namespace: 'plant',
  moduleId: 'historian',
  generationId: '1',
  keys: 'Imported',
} as const;
const PATH = '/modules/historian/genid/1/sign?api-version=2018-06-28';
const WARM_UP_SECONDS = 5;
const SLOW_MS = 1;

export async function signRate(rounds: number): Promise<SignRate> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-bench-'));
  try {
    const interposer = new Interposer(folder);
    interposer.set('slow', SLOW_MS);
    const { library, environment } = interposer;
    const fast = await ratesOf({ library: softhsmLibrary(), environment: {} }, rounds);
    return { ...fast, slow: await ratesOf({ library, environment }, rounds) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Library {
  readonly library: string;
  readonly environment: NodeJS.ProcessEnv;
}

async function ratesOf({ library, environment }: Library, rounds: number): Promise<Rates> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-bench-'));
  const hsm = new SoftHsm(folder);
  hsm.makeToken(TOKEN);
  const env = { ...process.env, ...hsm.environment, ...environment };
  const rawHmac = join(folder, 'raw-hmac');
  compileC(join(import.meta.dirname, 'raw-hmac.c'), rawHmac);
  const notary = new NotaryProcess({ folder, environment: { ...hsm.environment, ...environment } });
  const api = served(notary);
  try {
    notary.start();
    await notary.client.configure({
      trustDomain: 'edge.example',
      node: 'bench',
      rootOfTrust: { pkcs11: { library, tokenLabel: TOKEN, pinFile: hsm.pinFile } },
      issuer: { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
      tokens: { keyLifetimeSeconds: 86_400, maxSeconds: 3600 },
    });
    await notary.client.importHubKey({ module: MODULE, keyId: 'primary', key: Buffer.alloc(32, 7) });
    const attributes = {};
    const pod = { podUid: 'pod', podNamespace: 'plant', podName: 'historian' };
    api.open({ volumeId: 'volume', targetPath: folder, ...pod, attributes });
    await calls(folder, WARM_UP_SECONDS);
    const results = [];
    for (let round = 0; round < rounds; round++) {
      const output = execFileSync(rawHmac, [library, TOKEN, '1234', '1'], { env, encoding: 'utf8' });
      const raw = Number(output.split(' ')[0]);
      const sign = await calls(folder, 1);
      results.push({ raw, sign, ratio: sign / raw });
    }
    return medians(results);
  } finally {
    api.stop();
    notary.client.close();
    await notary.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The API as the agent has it; only the pod and its module are made up. */
function served(notary: NotaryProcess): IotEdgeApi {
  const { requester } = freshRequest();
  const { namespace, moduleId, generationId } = MODULE;
  const module = { namespace, moduleId, generationId };
  const ports: Pick<IotEdgePorts, 'modules' | 'sign'> = {
    modules: () => [MODULE],
    sign: (_caller, _module, keyId, data) =>
      notary.client.hubSign({ module, keyId, source: 'Imported', data, requester }),
  };
  const allowed = { allowed: true, module: {}, table: [] } as unknown as Verdict;
  const judge = () => Promise.resolve(allowed);
  return new IotEdgeApi({
    callers: new Callers({ ports: { judge } }),
    incarnationOf: (process) => incarnations.of(process),
    ports: ports as IotEdgePorts,
    log: createLogger('bench', 'silent'),
    held: new HeldSockets(),
    socket: 'workload.sock',
    identityAttribute: 'identity',
  });
}

async function calls(folder: string, seconds: number): Promise<number> {
  const program = join(import.meta.dirname, 'sign-load.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    join(folder, 'workload.sock'),
    PATH,
    `${seconds}`,
  ]);
  const { count, seconds: took } = JSON.parse(stdout) as { count: number; seconds: number };
  return Math.round(count / took);
}

function medians(rounds: readonly Rates[]): Rates {
  const median = (field: keyof Rates): number => {
    const sorted = rounds.map((round) => round[field]).sort((a, b) => a - b);
    return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 100) / 100;
  };
  return { raw: median('raw'), sign: median('sign'), ratio: median('ratio') };
}

if (import.meta.main) console.log(JSON.stringify(await signRate(Number(process.argv[2] ?? 5))));
