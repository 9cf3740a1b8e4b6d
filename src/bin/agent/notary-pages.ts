// SPDX-License-Identifier: Apache-2.0
import { request } from 'node:http';
import type { HealthPage } from '../../health.ts';

/** The notary's health pages, passed on: it has no network of its own, only a unix socket. */
export function notaryPages(socketPath: string): Readonly<Record<string, () => Promise<HealthPage>>> {
  const paths = ['/livez', '/readyz', '/metrics'];
  return Object.fromEntries(paths.map((path) => [`/notary${path}`, () => fetchPage(socketPath, path)]));
}

function fetchPage(socketPath: string, path: string): Promise<HealthPage> {
  return new Promise((resolve) => {
    const unreachable = (error: Error): void =>
      resolve({
        status: 503,
        type: 'text/plain',
        body: `the notary does not answer at ${socketPath}: ${error.message}\n`,
      });
    const call = request({ socketPath, path, timeout: 2000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', unreachable);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 502,
          type: response.headers['content-type'] ?? 'text/plain',
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 2 s')));
    call.on('error', unreachable);
    call.end();
  });
}
