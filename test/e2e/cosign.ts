// SPDX-License-Identifier: Apache-2.0
import { createHash, sign, type KeyObject } from 'node:crypto';

/** An image in the lab's registry and who signs it. */
export interface Signing {
  /** `registry/name@sha256:…`. */
  readonly reference: string;
  readonly digest: string;
  readonly privateKey: KeyObject;
}

/** Signs an image as `cosign sign --key` does: an artifact under a tag that is made of the image's digest. */
export async function attachSignature({ reference, digest, privateKey }: Signing): Promise<void> {
  const [registry = '', ...path] = (reference.split('@')[0] ?? '').split('/');
  const base = `http://${registry}/v2/${path.join('/')}`;
  const identity = { 'docker-reference': reference.split('@')[0] };
  const image = { 'docker-manifest-digest': digest };
  const payload = Buffer.from(
    JSON.stringify({ critical: { identity, image, type: 'cosign container image signature' }, optional: null }),
  );
  const config = Buffer.from('{}');
  const layer = {
    ...(await push(base, payload)),
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    annotations: { 'dev.cosignproject.cosign/signature': sign('sha256', payload, privateKey).toString('base64') },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { ...(await push(base, config)), mediaType: 'application/vnd.oci.image.config.v1+json' },
    layers: [layer],
  };
  const answer = await fetch(`${base}/manifests/${digest.replace(':', '-')}.sig`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: JSON.stringify(manifest),
  });
  if (!answer.ok) throw new Error(`the registry refused the signature: ${answer.status} ${await answer.text()}`);
}

async function push(base: string, bytes: Buffer): Promise<{ readonly digest: string; readonly size: number }> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const started = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const target = new URL(started.headers.get('location') ?? '', started.url);
  target.searchParams.set('digest', digest);
  const answer = await fetch(target, { method: 'PUT', body: bytes });
  if (!answer.ok) throw new Error(`the registry refused a blob: ${answer.status} ${await answer.text()}`);
  return { digest, size: bytes.length };
}
