// SPDX-License-Identifier: Apache-2.0
import type { Digest, ImageEvidence } from '../attest/port.ts';
import { digestOfReference, resolveImage, type ImageDigests } from './image-digests.ts';

/** The image of a container, as the CRI tells of it. */
export interface ImageOfContainer {
  readonly config: Digest;
  /** The image as the pod names it, or else a name of the runtime's. */
  readonly reference: string;
}

/** containerd's view of images; `ContainerdImages` is the real one. */
export interface ImageStore {
  readonly supported: boolean;
  target(name: string): Promise<Digest | undefined>;
  targets(): Promise<readonly Digest[]>;
  read(digest: Digest): Promise<Uint8Array | undefined>;
}

/** The digests under which the CRI says that an image was pulled: `name@sha256:…`. Empty for a side-loaded image. */
export type RepoDigests = (config: Digest) => Promise<readonly string[]>;

const MAX_CACHED = 512;

/**
 * Finds the index and the manifest that belong to an image configuration. An image can be known under several; the
 * digest that the pod names comes first, so that who pins by digest sees that digest. Answers are kept: what a digest
 * stands for never changes.
 *
 * A runtime without containerd's services tells only by which digests it pulled the image, not whether such a digest
 * is an index's or a manifest's: it is then given as `manifest`, and the reference says so.
 */
export class ImageEvidenceSource {
  readonly #store: ImageStore;
  readonly #repoDigests: RepoDigests;
  readonly #known = new Map<string, ImageEvidence>();

  constructor(store: ImageStore, repoDigests: RepoDigests) {
    this.#store = store;
    this.#repoDigests = repoDigests;
  }

  /** Throws `Unavailable` when the runtime does not answer. An image that cannot be traced has its config digest only. */
  async of(image: ImageOfContainer): Promise<ImageEvidence> {
    const key = `${image.config} ${image.reference}`;
    const known = this.#known.get(key);
    if (known) return known;
    const found = (await this.#traced(image)) ?? (await this.#told(image));
    if (found === undefined) return { reference: image.reference, config: image.config };
    this.#remember(key, found);
    return found;
  }

  async #traced(image: ImageOfContainer): Promise<ImageEvidence | undefined> {
    let found: ImageDigests | undefined;
    const tried = new Set<Digest>();
    for await (const target of this.#candidates(image)) {
      if (tried.has(target)) continue;
      tried.add(target);
      const digests = await resolveImage(target, image.config, (digest) => this.#store.read(digest));
      if (digests === undefined) continue;
      found ??= digests;
      if (digests.index === undefined && target !== digestOfReference(image.reference)) continue;
      found = digests;
      break;
    }
    return found && { reference: image.reference, config: image.config, ...found };
  }

  /** From the most telling to the slowest; asked for one by one, since the first is nearly always right. */
  async *#candidates(image: ImageOfContainer): AsyncGenerator<Digest> {
    if (!this.#store.supported) return;
    const named = digestOfReference(image.reference);
    if (named !== undefined && named !== image.config) yield named;
    // The CRI keeps a name per image id; that of the pod's reference may have moved on but is then of another config.
    for (const name of [image.reference, image.config]) {
      const target = await this.#store.target(name);
      if (target !== undefined) yield target;
    }
    for (const reference of await this.#repoDigests(image.config)) {
      const digest = digestOfReference(reference);
      if (digest !== undefined) yield digest;
    }
    yield* await this.#store.targets();
  }

  async #told(image: ImageOfContainer): Promise<ImageEvidence | undefined> {
    if (this.#store.supported) return undefined;
    const digests = (await this.#repoDigests(image.config)).map(digestOfReference).filter((d) => d !== undefined);
    const named = digestOfReference(image.reference);
    const manifest = named !== undefined && digests.includes(named) ? named : digests[0];
    if (manifest === undefined) return undefined;
    const reference = `${image.reference} (pulled by ${manifest}; the runtime does not tell whether of an index)`;
    return { reference, config: image.config, manifest };
  }

  #remember(key: string, evidence: ImageEvidence): void {
    const oldest = this.#known.keys().next();
    if (this.#known.size >= MAX_CACHED && !oldest.done) this.#known.delete(oldest.value);
    this.#known.set(key, evidence);
  }
}
