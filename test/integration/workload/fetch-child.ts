// SPDX-License-Identifier: Apache-2.0
/** Fetches from the socket named by its argument, as a process of its own, and prints what it was given as JSON. */
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { asKeysteadError } from '../../../src/errors.ts';

const client = new GrpcClient(process.argv[2] ?? '', { headers: { 'workload.spiffe.io': 'true' } });
try {
  for await (const { svids } of client.serverStream(SpiffeWorkloadAPI.method.fetchX509SVID, {})) {
    console.log(JSON.stringify({ pid: process.pid, ids: svids.map(({ spiffeId }) => spiffeId) }));
    break;
  }
} catch (error) {
  console.log(JSON.stringify({ pid: process.pid, code: asKeysteadError(error).code }));
}
client.close();
