// SPDX-License-Identifier: Apache-2.0
/**
 * A module that uses all that its identity gives it on its sockets, again and again, and tells how each use went. When
 * somebody makes /data/go, it starts a program that is not of its image.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotaryClient } from '../../../src/client/index.ts';
import { connect } from '../../../src/client/socket.ts';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';

const FOLDER = '/var/run/keystead';
const AUDIENCE = 'server';
const message = Buffer.from('message');
const notary = new NotaryClient();
const workloadApi = connect(`${FOLDER}/spiffe.sock`);
const { IOTEDGE_MODULEID: moduleId, IOTEDGE_MODULEGENERATIONID: generation } = process.env;

let secret: Buffer | undefined;
let token = '';

const uses: Readonly<Record<string, () => Promise<unknown>>> = {
  sign: () => notary.sign(message),
  encrypt: async () => (secret = await notary.encrypt(message)),
  decrypt: () => notary.decrypt(secret!),
  token: async () => (token = await notary.token(AUDIENCE)),
  validate: () => workloadApi.unary(SpiffeWorkloadAPI.method.validateJWTSVID, { audience: AUDIENCE, svid: token }),
  'hub-sign': () => hubSign(),
};

for (let violated = false; ;) {
  await sleep(200);
  for (const [name, use] of Object.entries(uses)) {
    const { said } = await use().then(
      () => ({ said: 'ok' }),
      (thrown: unknown) => ({ said: `refused ${String(thrown)}` }),
    );
    console.log(`${name} ${said.replaceAll('\n', ' ')}`);
  }
  if (violated || !existsSync('/data/go')) continue;
  violated = true;
  copyFileSync(process.execPath, '/data/foreign');
  spawn('/data/foreign', ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
}

/** HMAC with the module's key, as the IoT Edge Workload API does it. */
function hubSign(): Promise<void> {
  const path = `/modules/${moduleId}/genid/${generation}/sign?api-version=2019-01-30`;
  const body = JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: message.toString('base64') });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: `${FOLDER}/workload.sock`, method: 'POST', path, headers }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${response.statusCode} ${text}`));
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}
