// SPDX-License-Identifier: Apache-2.0
/**
 * A module that has as much signed as it can: `node sign-load.ts <socket> <path> <seconds>` keeps a call open on each of eight
 * connections and prints {count, seconds}. A process of its own, as a module is, and one that costs little: its request is
 * always the same and of the answer it reads status and length, so that what is measured is the other side.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

const CALLERS = 8;
const [socketPath = '', path = '', seconds = '1'] = process.argv.slice(2);
const data = Buffer.from('plant.azure-devices.net%2Fdevices%2Fline-4%2Fmodules%2Fhistorian\n1795322675');
const body = JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: data.toString('base64') });
const head = [
  `POST ${path} HTTP/1.1`,
  'host: localhost',
  'content-type: application/json',
  `content-length: ${body.length}`,
];
const request = `${head.join('\r\n')}\r\n\r\n${body}`;

const HEAD_END = '\r\n\r\n';

/** How long the answer at the start of a text is; undefined while its head is not all there. */
function lengthOf(text: string): number | undefined {
  const end = text.indexOf(HEAD_END);
  if (end < 0) return undefined;
  if (!text.startsWith('HTTP/1.1 200 ')) throw new Error(`answered ${text}`);
  return end + HEAD_END.length + Number(/content-length: (\d+)/i.exec(text)?.[1]);
}

async function call(until: number): Promise<number> {
  const socket = connect(socketPath).setEncoding('latin1');
  await once(socket, 'connect');
  let count = 0;
  let answer = '';
  socket.write(request);
  for await (const chunk of socket as AsyncIterable<string>) {
    answer += chunk;
    if (answer.length !== lengthOf(answer)) continue;
    answer = '';
    count++;
    if (performance.now() >= until) break;
    socket.write(request);
  }
  return count;
}

const start = performance.now();
const end = start + Number(seconds) * 1000;
const counts = await Promise.all(Array.from({ length: CALLERS }, () => call(end)));
const count = counts.reduce((sum, each) => sum + each, 0);
console.log(JSON.stringify({ count, seconds: (performance.now() - start) / 1000 }));
