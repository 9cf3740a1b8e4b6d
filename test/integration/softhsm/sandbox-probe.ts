// SPDX-License-Identifier: Apache-2.0
/** Loaded into the notary's own process: once a file tells it to, it tries what the notary must not be able to do. */
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const { PROBE_START: start = '', PROBE_RESULT: found = '' } = process.env;
const DISCARD_PORT = 9;

type Done = (error?: Error | null) => void;

/** `done`, or the code that the attempt failed with. */
function outcome(attempt: (done: Done) => unknown): Promise<string> {
  return new Promise<void>((resolve, reject) => attempt((error) => (error ? reject(error) : resolve()))).then(
    () => 'done',
    (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error),
  );
}

async function probe(): Promise<void> {
  const result = {
    connect: await outcome((done) =>
      connect(DISCARD_PORT, '127.0.0.1')
        .once('error', done)
        .once('connect', () => done()),
    ),
    listen: await outcome((done) =>
      createServer()
        .once('error', done)
        .listen(0, '127.0.0.1', () => done()),
    ),
    unix: await outcome((done) =>
      createServer()
        .once('error', done)
        .listen(`${found}.sock`, () => done()),
    ),
    execute: await outcome((done) => execFile('/bin/true', done)),
  };
  writeFileSync(found, JSON.stringify(result));
}

const waiting = setInterval(() => {
  if (!existsSync(start)) return;
  clearInterval(waiting);
  void probe();
}, 20);
waiting.unref();
