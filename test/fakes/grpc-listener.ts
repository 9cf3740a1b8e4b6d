// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net';
import type { GrpcServer } from '../../src/grpc/server.ts';

/** Has a gRPC server listen on a unix socket. Gives what ends it and all its connections. */
export async function listenAt(path: string, server: GrpcServer): Promise<() => void> {
  const listener = createServer((connection) => server.serve(connection));
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  return () => {
    listener.close();
    server.close();
  };
}
