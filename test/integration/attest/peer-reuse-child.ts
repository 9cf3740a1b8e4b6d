// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peerPidfd } from '../../../src/os/peer-pidfd.ts';

/*
 * Runs alone in a pid namespace. A client connects and ends, its connection held open by a child, and another process is
 * given its pid: prints what is found of the peer before and after.
 */
const folder = mkdtempSync(join(tmpdir(), 'keystead-peer-'));
const path = join(folder, 'socket');
const server = createServer();
server.listen(path);
await once(server, 'listening');

const CLIENT = `import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
sys.stdin.readline()
if os.fork() == 0: time.sleep(20)
os._exit(0)`;
const client = spawn('python3', ['-c', CLIENT, path], { stdio: ['pipe', 'ignore', 'inherit'] });
const [socket] = (await once(server, 'connection')) as [Socket];
const held = peerPidfd(socket);
const before = held?.alive() ?? false;
client.stdin.write('\n');
await once(client, 'exit');

let other: ChildProcess | undefined;
for (let attempt = 0; attempt < 50 && other?.pid !== client.pid; attempt++) {
  other?.kill('SIGKILL');
  // The kernel gives the next number that is free.
  writeFileSync('/proc/sys/kernel/ns_last_pid', String(client.pid! - 1));
  other = spawn('sleep', ['20'], { stdio: 'ignore' });
}
const late = peerPidfd(socket);
const found = {
  before,
  pid: client.pid,
  reused: other?.pid,
  after: held?.alive() ?? false,
  late: late?.alive() ?? false,
};
process.stdout.write(JSON.stringify(found));
other?.kill('SIGKILL');
rmSync(folder, { recursive: true, force: true });
process.exit(0);
