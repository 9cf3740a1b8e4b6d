// SPDX-License-Identifier: Apache-2.0
/** Answers at a socket in the folder of its argument with its own pid, as the agent would serve there. */
import { HELD_SOCKETS, HeldSockets } from '../../../src/os/held-sockets.ts';
import { PodSocket } from '../../../src/workload/pod-socket.ts';

const [directory = '', crash] = process.argv.slice(2);
if (crash === 'crash') process.exit(3);
const held = new HeldSockets(process.env[HELD_SOCKETS], process.send?.bind(process) as never);
new PodSocket({ directory, name: 'spiffe.sock', key: 'volume-1/spiffe.sock', held }, (socket) => {
  socket.on('error', () => undefined);
  socket.end(String(process.pid));
});
process.once('SIGTERM', () => process.exit(0));
