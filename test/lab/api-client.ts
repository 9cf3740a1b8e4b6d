// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { apiUrl } from './pki.ts';
import type { LabSettings } from './settings.ts';

/** An answer of the API server. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

const TIMEOUT_MS = 5000;

/** One request to the API server as the lab's administrator. Rejects when there is no answer within 5 s. */
export function callApi(settings: LabSettings, path: string, post?: object): Promise<ApiAnswer> {
  const pki = (file: string) => readFileSync(join(settings.dir, 'pki', file));
  return new Promise((resolve, reject) => {
    const options = {
      method: post ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json' },
      ca: pki('ca.crt'),
      cert: pki('admin.crt'),
      key: pki('admin.key'),
      agent: false as const,
      timeout: TIMEOUT_MS,
    };
    const call = request(new URL(path, apiUrl(settings)), options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    call.on('timeout', () =>
      call.destroy(new Error(`no answer from the API server to ${path} within ${TIMEOUT_MS} ms`)),
    );
    call.on('error', reject);
    call.end(post ? JSON.stringify(post) : undefined);
  });
}
