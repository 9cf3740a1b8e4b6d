// SPDX-License-Identifier: Apache-2.0
/**
 * A module that has as much signed as it can: `node sign-load.ts <socket> <path> <seconds>` keeps eight calls open on as many
 * connections and prints {count, seconds}. A process of its own, as a module is.
 */
import { Agent, request } from 'node:http';

const CALLERS = 8;
const [socketPath = '', path = '', seconds = '1'] = process.argv.slice(2);
const data = Buffer.from('plant.azure-devices.net%2Fdevices%2Fline-4%2Fmodules%2Fhistorian\n1795322675');
const body = JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: data.toString('base64') });
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });

function sign(): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method: 'POST', headers, agent }, (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    call.once('error', reject);
    call.end(body);
  });
}

const start = performance.now();
const end = start + Number(seconds) * 1000;
let count = 0;
await Promise.all(
  Array.from({ length: CALLERS }, async () => {
    for (; performance.now() < end; count++) await sign();
  }),
);
console.log(JSON.stringify({ count, seconds: (performance.now() - start) / 1000 }));
agent.destroy();
