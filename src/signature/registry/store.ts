// SPDX-License-Identifier: Apache-2.0
import type { Digest } from '../../attest/port.ts';
import { readDigest } from '../digest.ts';
import type { FoundSignature, SignatureStore, SignedImage } from '../port.ts';
import { signatureLayers, simpleSignature } from '../simple-signing.ts';
import type { RegistryClient } from './client.ts';
import { repositoryOf, type Repository } from './reference.ts';

const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle/;
const MAX_REFERRERS = 32;

/** Signatures that lie beside the image in its registry, where cosign puts them: under a tag, or as referrers. */
export class RegistrySignatures implements SignatureStore {
  readonly #client: RegistryClient;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  async find({ reference, index, manifest }: SignedImage): Promise<readonly FoundSignature[]> {
    const repository = repositoryOf(reference);
    if (!repository) return [];
    const digests = [index, manifest].filter((digest) => digest !== undefined);
    const found = digests.flatMap((digest) => [this.#tagged(repository, digest), this.#referring(repository, digest)]);
    return (await Promise.all(found)).flat();
  }

  async #tagged(repository: Repository, digest: Digest): Promise<FoundSignature[]> {
    const layers = signatureLayers(await this.#client.manifest(repository, `${digest.replace(':', '-')}.sig`));
    const read = layers.map(async ({ payload, annotations }) => {
      const bytes = await this.#client.blob(repository, payload);
      return bytes ? [simpleSignature(bytes, annotations)] : [];
    });
    return (await Promise.all(read)).flat();
  }

  async #referring(repository: Repository, digest: Digest): Promise<FoundSignature[]> {
    const referrers = descriptors(await this.#client.referrers(repository, digest), 'manifests').slice(
      0,
      MAX_REFERRERS,
    );
    const read = referrers.map(async ({ digest: at }) => {
      const layers = descriptors(await this.#client.manifest(repository, at), 'layers');
      const bundle = layers.find(({ mediaType }) => BUNDLE.test(mediaType));
      const bytes = bundle && (await this.#client.blob(repository, bundle.digest));
      return bytes ? bundleOf(bytes) : [];
    });
    return (await Promise.all(read)).flat();
  }
}

function bundleOf(bytes: Buffer): FoundSignature[] {
  try {
    return [{ format: 'Bundle', bundle: JSON.parse(bytes.toString('utf8')) as unknown }];
  } catch {
    return [];
  }
}

interface Descriptor {
  readonly digest: Digest;
  readonly mediaType: string;
}

function descriptors(document: unknown, name: 'manifests' | 'layers'): Descriptor[] {
  const list = (document as Record<string, unknown> | undefined)?.[name];
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: { readonly digest?: unknown; readonly mediaType?: unknown } | null) => {
    const digest = readDigest(entry?.digest);
    return digest === undefined ? [] : [{ digest, mediaType: String(entry?.mediaType) }];
  });
}
