// SPDX-License-Identifier: Apache-2.0
import type { Server, ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';

/** Not imported: an import reads every export of node:http, and one of them loads the whole of undici (Node.js 26). */
const { createServer } = process.getBuiltinModule('node:http');

/** One thing that must hold for the process to be ready. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** CamelCase, stable. */
  readonly reason?: string;
  /** What was found and what to do. */
  readonly message?: string;
}

export interface HealthOptions {
  readonly listen: { readonly port: number; readonly host?: string } | { readonly path: string };
  /** Looked at on every /readyz; must be cheap. */
  readonly checks: () => readonly Check[] | Promise<readonly Check[]>;
  /** Prometheus text for /metrics. */
  readonly metrics: () => Promise<string>;
  /**
   * More read-only pages by path, for example the notary's, which has no network of its own. A path that ends with `/`
   * stands for all just below it; the page is given the rest.
   */
  readonly pages?: Readonly<Record<string, (below: string) => Promise<HealthPage>>>;
}

export interface HealthPage {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Serves `/livez` (200 while the event loop turns), `/readyz` (200, or 503 with one line a failed check) and
 * `/metrics`. Resolves when it listens; a stale unix socket at `path` is replaced.
 */
export async function startHealthServer(options: HealthOptions): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(options, new URL(request.url ?? '/', 'http://localhost').pathname).then(
      (page) => send(response, page),
      (error: unknown) => send(response, { status: 500, type: 'text/plain', body: `${String(error)}\n` }),
    );
  });
  const { listen } = options;
  if ('path' in listen) rmSync(listen.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen, resolve);
  });
  return server;
}

async function answer(options: HealthOptions, path: string): Promise<HealthPage> {
  if (path === '/livez') return { status: 200, type: 'text/plain', body: 'ok\n' };
  if (path === '/readyz') return readiness(await options.checks());
  if (path === '/metrics') {
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await options.metrics() };
  }
  const below = path.lastIndexOf('/') + 1;
  const page = options.pages?.[path] ?? options.pages?.[path.slice(0, below)];
  return page
    ? page(path.slice(below))
    : { status: 404, type: 'text/plain', body: 'not found: try /livez, /readyz or /metrics\n' };
}

/** Every check as a line: `ok name` or `failed name: Reason: message`. */
export function readiness(checks: readonly Check[]): HealthPage {
  const lines = checks.map((check) => {
    if (check.ok) return `ok ${check.name}`;
    return ['failed ' + check.name, check.reason, check.message].filter(Boolean).join(': ');
  });
  const status = checks.every((check) => check.ok) ? 200 : 503;
  return { status, type: 'text/plain', body: lines.join('\n') + '\n' };
}

function send(response: ServerResponse, page: HealthPage): void {
  response.writeHead(page.status, { 'content-type': page.type }).end(page.body);
}
