// SPDX-License-Identifier: Apache-2.0
import { status } from '@grpc/grpc-js';
import type { Digest } from '../attest/port.ts';
import { KeysteadError } from '../errors.ts';
import { Content } from '../gen/containerd/services/content/v1/content_pb.js';
import { Images } from '../gen/containerd/services/images/v1/images_pb.js';
import type { GrpcClient } from '../grpc/client.ts';
import { hasStatus } from '../grpc/status.ts';
import { normalDigest } from './image-digests.ts';

/** The OCI image specification lets registries refuse larger manifests. */
const MAX_BLOB_BYTES = 4 << 20;
const RECHECK_MS = 60_000;

/**
 * containerd's own view of images: what a name points at, and the blobs. `undefined` answers mean that containerd does
 * not have it; `supported` is false while the socket belongs to a runtime without these services (CRI-O).
 */
export class ContainerdImages {
  readonly #client: GrpcClient;
  /** Asked again from this time on (milliseconds since the epoch): the runtime behind a socket can be exchanged. */
  #unsupportedUntil = 0;

  /** `client` must send the header `containerd-namespace`, for Kubernetes' containers `k8s.io`. */
  constructor(client: GrpcClient) {
    this.#client = client;
  }

  get supported(): boolean {
    return Date.now() >= this.#unsupportedUntil;
  }

  /** What an image name stands for: an index or a manifest. The CRI also keeps a name `sha256:<config>` per image. */
  async target(name: string): Promise<Digest | undefined> {
    return this.#ask(async () => {
      const { image } = await this.#client.unary(Images.method.get, { name });
      return normalDigest(image?.target?.digest);
    });
  }

  /** Everything that the image names of this node stand for, without repeats. Slow on a node with many images. */
  async targets(): Promise<readonly Digest[]> {
    const all = await this.#ask(async () => {
      const { images } = await this.#client.unary(Images.method.list, {});
      return images.map((image) => normalDigest(image.target?.digest)).filter((digest) => digest !== undefined);
    });
    return [...new Set(all)];
  }

  /** A blob of the content store. Throws `InvalidRequest` for one that is too large to be a manifest. */
  async read(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#ask(async () => {
      const parts: Uint8Array[] = [];
      let length = 0;
      for await (const { data } of this.#client.serverStream(Content.method.read, { digest }, { timeout: 5000 })) {
        length += data.length;
        if (length > MAX_BLOB_BYTES)
          throw new KeysteadError('InvalidRequest', `${digest} is larger than ${MAX_BLOB_BYTES} bytes: no manifest`);
        parts.push(data);
      }
      return Buffer.concat(parts);
    });
  }

  async #ask<T>(call: () => Promise<T | undefined>): Promise<T | undefined> {
    if (!this.supported) return undefined;
    try {
      return await call();
    } catch (thrown) {
      if (thrown instanceof KeysteadError && thrown.code === 'NotFound') return undefined;
      if (!hasStatus(thrown, status.UNIMPLEMENTED)) throw thrown;
      this.#unsupportedUntil = Date.now() + RECHECK_MS;
      return undefined;
    }
  }
}
