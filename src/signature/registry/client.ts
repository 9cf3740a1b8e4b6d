// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Digest } from '../../attest/port.ts';
import { KeysteadError } from '../../errors.ts';
import type { RegistryAccess } from './access.ts';
import { challengeOf, tokenUrl } from './challenge.ts';
import type { Repository } from './reference.ts';

const TIMEOUT_MS = 5_000;
/** Signatures and their manifests are small; anything larger is none. */
const MAX_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 3;
const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Reads from OCI registries (distribution specification 1.1), with Docker's token authentication. */
export class RegistryClient {
  readonly #access: RegistryAccess;
  /** Bearer tokens by repository. */
  readonly #tokens = new Map<string, string>();

  constructor(access: RegistryAccess) {
    this.#access = access;
  }

  /** A manifest by tag or digest, parsed; undefined where there is none. Throws Unavailable. */
  async manifest(repository: Repository, reference: string): Promise<unknown> {
    const bytes = await this.#read(repository, `manifests/${reference}`, MANIFEST_TYPES);
    return bytes && parse(bytes);
  }

  /** Manifests that refer to one (the referrers API, or the tag that stands for it where a registry lacks it). */
  async referrers(repository: Repository, digest: Digest): Promise<unknown> {
    const bytes = await this.#read(repository, `referrers/${digest}`, MANIFEST_TYPES);
    return bytes ? parse(bytes) : this.manifest(repository, digest.replace(':', '-'));
  }

  /** A blob whose hash is what it should be; undefined where it is not there or another. Throws Unavailable. */
  async blob(repository: Repository, digest: Digest): Promise<Buffer | undefined> {
    const bytes = await this.#read(repository, `blobs/${digest}`, '*/*');
    const isWhole = bytes && `sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest;
    return isWhole ? bytes : undefined;
  }

  async #read(repository: Repository, path: string, accept: string): Promise<Buffer | undefined> {
    const { host, name } = repository;
    const url = new URL(`${this.#access.plainHttp.has(host) ? 'http' : 'https'}://${host}/v2/${name}/${path}`);
    const key = `${host}/${name}`;
    const first = this.#tokens.get(key) ?? this.#access.basic(host);
    let answer = await this.#get(url, accept, first);
    if (answer.status === 401) {
      const authorization = await this.#authorize(repository, answer);
      if (authorization !== undefined) {
        this.#tokens.set(key, authorization);
        answer = await this.#get(url, accept, authorization);
      }
    }
    if (answer.status === 200) return answer.body;
    if (answer.status === 404) return undefined;
    const remedy = [401, 403].includes(answer.status) ? '; see signatures.registryCredentials of the chart' : '';
    throw new KeysteadError(
      'Unavailable',
      `registry ${host}: ${path} of ${name} was answered ${answer.status}${remedy}`,
    );
  }

  async #authorize({ host, name }: Repository, { headers }: Answer): Promise<string | undefined> {
    const challenge = challengeOf(headers['www-authenticate']);
    if (!challenge) return undefined;
    const { status, body } = await this.#get(tokenUrl(challenge, name), 'application/json', this.#access.basic(host));
    const { token, access_token: accessToken } = (status === 200 ? parse(body) : {}) as Record<string, unknown>;
    const bearer = token ?? accessToken;
    return typeof bearer === 'string' ? `Bearer ${bearer}` : undefined;
  }

  async #get(url: URL, accept: string, authorization: string | undefined, redirects = 0): Promise<Answer> {
    const answer = await this.#once(url, accept, authorization);
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.status) || typeof location !== 'string') return answer;
    const next = new URL(location, url);
    const isDowngrade = url.protocol === 'https:' && next.protocol !== 'https:';
    if (redirects >= MAX_REDIRECTS || isDowngrade) throw unavailable(url, `redirects to ${next.origin}`);
    // Credentials are for the registry, not for where it keeps its blobs.
    return this.#get(next, accept, next.host === url.host ? authorization : undefined, redirects + 1);
  }

  #once(url: URL, accept: string, authorization: string | undefined): Promise<Answer> {
    const { ca } = this.#access;
    const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const headers = { accept, ...(authorization !== undefined && { authorization }) };
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(unavailable(url, error.message));
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const call = send(url, { headers, signal, ...(ca !== undefined && { ca }) }, (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length > MAX_BYTES) call.destroy(new Error(`more than ${MAX_BYTES} bytes`));
          else parts.push(part);
        });
        response.on('error', fail);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
        );
      });
      call.on('error', fail);
      call.end();
    });
  }
}

function unavailable(url: URL, what: string): KeysteadError {
  return new KeysteadError('Unavailable', `registry ${url.host}: ${what}`);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
