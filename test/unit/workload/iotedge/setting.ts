// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { KeysteadError } from '../../../../src/errors.ts';
import { createLogger } from '../../../../src/log.ts';
import type { Caller } from '../../../../src/workload/port.ts';
import { HttpServer } from '../../../../src/workload/iotedge/http-server.ts';
import type { HubModule, IotEdgePorts } from '../../../../src/workload/iotedge/port.ts';
import { IotEdgeService } from '../../../../src/workload/iotedge/service.ts';

export const MODULE: HubModule = {
  identity: 'mod-a',
  namespace: 'plant',
  moduleId: 'modA',
  generationId: 'gen-1',
  keys: 'Derived',
};
export const HUB_MODULE: HubModule = { ...MODULE, identity: 'edge-hub', moduleId: '$edgeHub', generationId: 'gen 2' };
export const VERSION = 'api-version=2018-06-28';
const KEYS = { primary: Buffer.alloc(32, 1), secondary: Buffer.alloc(32, 2) };

export const digestOf = (keyId: 'primary' | 'secondary', data: Buffer): string =>
  createHmac('sha256', KEYS[keyId]).update(data).digest('base64');

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Record<string, unknown>;
}

/** An IoT Edge server on a socket, before ports that answer as the test says. */
export class Setting {
  readonly folder = mkdtempSync('/dev/shm/keystead-iotedge-');
  readonly path = join(this.folder, 's');
  /** Thrown by the next calls of the ports, one each. */
  readonly failures: KeysteadError[] = [];
  refusal: KeysteadError | undefined;
  /** Why the pod's modules may not be served any more. */
  withdrawn: KeysteadError | undefined;
  bundle = 'PEM';
  signed = 0;
  /** While set, signing waits for it. */
  gate: Promise<void> = Promise.resolve();
  #asked = 0;
  readonly http: HttpServer;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    const service = new IotEdgeService({
      callers: { admit: () => (this.refusal ? Promise.reject(this.refusal) : Promise.resolve('incarnation')) },
      ports: this.#ports(),
      patienceMs: 300,
    });
    const caller = (address: string): Caller | undefined =>
      address === '' ? undefined : { podUid: address, identity: undefined, pid: 1, incarnation: () => 'a' };
    this.http = new HttpServer({ service, caller, log: createLogger('test', 'silent') });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async open(): Promise<Setting> {
    const setting = new Setting();
    await once(setting.#server.listen(setting.path), 'listening');
    return setting;
  }

  close(): void {
    this.http.stop();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.folder, { recursive: true });
  }

  /** A call with any HTTP client's manners. An object becomes JSON. */
  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: this.path, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const parsed = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed });
        });
      });
      outgoing.on('error', reject);
      outgoing.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  post(route: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const type = { 'content-type': 'application/json', ...headers };
    return this.call('POST', `/modules/modA/${route}?${VERSION}`, body, type);
  }

  /** Sends bytes as they are, and gives all that comes back until the server hangs up. */
  async raw(...parts: readonly string[]): Promise<string> {
    const socket = connect(this.path);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    for (const part of parts) socket.write(part);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString();
  }

  /** Resolves once the ports were asked so many things. */
  untilAsked(count: number): Promise<void> {
    return until(() => this.#asked >= count);
  }

  untilConnected(count: number): Promise<void> {
    return until(() => this.#sockets.size === count);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
    Object.defineProperty(socket, 'remoteAddress', { value: 'pod-1' });
    this.http.serve(socket);
  }

  #ports(): IotEdgePorts {
    const failing = <T>(value: () => T): Promise<T> => {
      this.#asked++;
      const failure = this.failures.shift();
      return failure ? Promise.reject(failure) : this.gate.then(value);
    };
    const certificate = { privateKey: 'KEY', chain: 'CHAIN', notAfter: Date.UTC(2026, 10, 22, 12, 30, 5) };
    return {
      modules: () => {
        if (this.withdrawn) throw this.withdrawn;
        return [MODULE, HUB_MODULE];
      },
      sign: (_caller, _module, keyId, data) =>
        failing(() => {
          this.signed++;
          return Buffer.from(digestOf(keyId, data), 'base64');
        }),
      encrypt: (_caller, module, iv, plaintext) =>
        failing(() => Buffer.from(`${module.moduleId}|${iv.toString()}|${plaintext.toString()}`)),
      decrypt: (_caller, _module, _iv, ciphertext) =>
        failing(() => Buffer.from(ciphertext.toString().split('|')[2] ?? '')),
      serverCertificate: (_caller, _module, commonName) =>
        failing(() => {
          if (commonName === 'gateway') return certificate;
          throw new KeysteadError('ProfileViolation', `expected one of gateway, found ${commonName}`);
        }),
      identityCertificate: () => failing(() => certificate),
      bundle: () => this.bundle,
      list: () => [
        {
          moduleId: 'modA',
          image: 'registry/x@sha256:0',
          run: { status: 'running', startTime: '2026-11-22T12:00:00Z' },
        },
        { moduleId: 'modB', image: '', run: { status: 'failed', exit: { code: 1, time: '2026-11-22T12:30:00Z' } } },
      ],
    };
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
