// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { Digest } from '../attest/port.ts';

/** Reads a blob of the runtime's content store; undefined where it is not there. */
export type ReadBlob = (digest: Digest) => Promise<Uint8Array | undefined>;

/** Where an image's configuration was found: in a manifest, and that in the index by which it was pulled, if any. */
export interface ImageDigests {
  readonly manifest: Digest;
  readonly index?: Digest;
}

/** OCI image-spec descriptor, as far as it matters here. */
interface Descriptor {
  readonly digest: Digest;
  readonly platform?: unknown;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

type Document =
  | { readonly kind: 'index'; readonly children: readonly Descriptor[] }
  | { readonly kind: 'manifest'; readonly config: Digest };

/** Indexes of indexes exist, but nobody nests deeper; the limit stops a maliciously deep image. */
const MAX_DEPTH = 4;
/** One index can list many platforms, of which a node holds one or two. */
const MAX_CHILDREN = 256;

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** Gives a digest in the one form that is compared: `sha256:<64 lower-case hex>`; undefined for anything else. */
export function normalDigest(text: string | undefined): Digest | undefined {
  if (text === undefined) return undefined;
  const lower = text.trim().toLowerCase();
  const digest = /^[0-9a-f]{64}$/.test(lower) ? `sha256:${lower}` : lower;
  return SHA256.test(digest) ? digest : undefined;
}

/** The digest in an image reference such as `registry/name@sha256:…`; undefined where it has none. */
export function digestOfReference(reference: string | undefined): Digest | undefined {
  if (reference === undefined) return undefined;
  return normalDigest(reference.slice(reference.lastIndexOf('@') + 1));
}

/**
 * Follows `target` (an index or a manifest) down to the manifest whose configuration is `config`. Undefined where the
 * target leads to no such manifest. Every blob's own hash is checked, so that the chain index -> manifest ->
 * configuration holds whatever the store says.
 */
export async function resolveImage(target: Digest, config: Digest, read: ReadBlob): Promise<ImageDigests | undefined> {
  const manifest = await findManifest(target, config, read, 0);
  if (manifest === undefined) return undefined;
  return manifest === target ? { manifest } : { manifest, index: target };
}

async function findManifest(at: Digest, config: Digest, read: ReadBlob, depth: number): Promise<Digest | undefined> {
  const document = await readDocument(at, read);
  if (document === undefined) return undefined;
  if (document.kind === 'manifest') return document.config === config ? at : undefined;
  if (depth >= MAX_DEPTH) return undefined;
  for (const child of document.children) {
    const found = await findManifest(child.digest, config, read, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readDocument(digest: Digest, read: ReadBlob): Promise<Document | undefined> {
  const bytes = await read(digest);
  if (bytes === undefined || `sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest) return undefined;
  return parseDocument(bytes);
}

/** Reads an OCI or Docker index or manifest; undefined for everything else, such as a configuration. */
export function parseDocument(bytes: Uint8Array): Document | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (Array.isArray(value['manifests'])) {
    const images = value['manifests'].filter(isDescriptor).filter(isImage).slice(0, MAX_CHILDREN);
    // This machine's platform first: the others' manifests are seldom in the store, and each costs a question.
    const [local, others] = [images.filter(isLocal), images.filter((image) => !isLocal(image))];
    return { kind: 'index', children: [...local, ...others] };
  }
  const config = value['config'];
  return isDescriptor(config) ? { kind: 'manifest', config: config.digest } : undefined;
}

/** Go's names, which OCI uses, for Node's names of processors where they differ. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

function isLocal(descriptor: Descriptor): boolean {
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  return isRecord(descriptor.platform) && descriptor.platform['architecture'] === architecture;
}

/** Build attestations lie in an index beside the images, as manifests of no platform. */
function isImage(descriptor: Descriptor): boolean {
  return descriptor.annotations?.['vnd.docker.reference.type'] === undefined;
}

function isDescriptor(value: unknown): value is Descriptor {
  return isRecord(value) && typeof value['digest'] === 'string' && SHA256.test(value['digest']);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
