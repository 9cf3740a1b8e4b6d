// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from 'node:fs';
import type { Blob, Image } from './image.ts';
import type { Layer } from './layer.ts';

/** A repository on a registry without TLS and log-in, such as the lab's. */
export interface Repository {
  /** `host:port`. */
  readonly registry: string;
  readonly name: string;
  /** Another repository of the registry that may hold the same layers already; they are mounted, not sent again. */
  readonly sibling?: string;
}

/** How much of a push was new. */
export interface PushReport {
  readonly sentBytes: number;
  readonly reference: string;
}

/** Pushes an image under a tag by the OCI distribution API. What the registry has is not sent again. */
export async function pushImage(image: Image, tag: string, repository: Repository): Promise<PushReport> {
  let sentBytes = 0;
  for (const part of [...image.layers, image.config]) {
    if (await pushBlob(part, repository)) sentBytes += part.size;
  }
  await putManifest(image.manifest, image.manifest.digest, repository);
  await putManifest(image.index, tag, repository);
  return { sentBytes, reference: `${repository.registry}/${repository.name}@${image.index.digest}` };
}

async function pushBlob(part: Layer | Blob, repository: Repository): Promise<boolean> {
  const existing = await call(repository, 'HEAD', `blobs/${part.digest}`);
  if (existing.ok) return false;
  const mount = repository.sibling ? `?mount=${part.digest}&from=${repository.sibling}` : '';
  const upload = await call(repository, 'POST', `blobs/uploads/${mount}`);
  if (upload.status === 201) return false;
  const location = upload.headers.get('location');
  if (upload.status !== 202 || !location) throw await refusal(repository, 'start of an upload', upload);
  const target = new URL(location, upload.url);
  target.searchParams.set('digest', part.digest);
  const body = 'bytes' in part ? part.bytes : createReadStream(part.file);
  const put = await fetch(target, {
    method: 'PUT',
    body,
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(part.size) },
    // A stream as body: the request is sent before the response is read.
    duplex: 'half',
  });
  if (put.status !== 201) throw await refusal(repository, `upload of ${part.digest}`, put);
  return true;
}

async function putManifest(manifest: Blob, reference: string, repository: Repository): Promise<void> {
  const headers = { 'content-type': manifest.mediaType };
  const response = await call(repository, 'PUT', `manifests/${reference}`, { body: manifest.bytes, headers });
  if (response.status !== 201) throw await refusal(repository, `manifest ${reference}`, response);
}

async function call(repository: Repository, method: string, path: string, more: RequestInit = {}): Promise<Response> {
  const url = `http://${repository.registry}/v2/${repository.name}/${path}`;
  try {
    return await fetch(url, { method, signal: AbortSignal.timeout(60_000), ...more });
  } catch (error) {
    throw new Error(`The registry ${repository.registry} does not answer (${method} ${url}). Is it up?`, {
      cause: error,
    });
  }
}

async function refusal(repository: Repository, what: string, response: Response): Promise<Error> {
  const said = (await response.text()).slice(0, 500);
  return new Error(`The registry ${repository.registry} refused the ${what}: HTTP ${response.status} ${said}`);
}
