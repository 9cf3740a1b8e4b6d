// SPDX-License-Identifier: Apache-2.0
import type { MessageShape } from '@bufbuild/protobuf';
import type { ContainerEvidence, Digest } from '../attest/port.ts';
import { KeysteadError } from '../errors.ts';
import {
  ContainerState,
  ImageService,
  RuntimeService,
  type ContainerStatus,
  type ContainerStatusResponseSchema,
} from '../gen/runtime/v1/api_pb.js';
import { GrpcClient } from '../grpc/client.ts';
import { parseContainerInfo, type ContainerInfo } from './container-info.ts';
import { ContainerdImages } from './containerd-images.ts';
import { normalDigest } from './image-digests.ts';
import { ImageEvidenceSource } from './image-evidence.ts';
import type { AliveContainer, ContainerRuntime } from './port.ts';

/** The kubelet puts it on every container; pods cannot set it. */
const POD_UID_LABEL = 'io.kubernetes.pod.uid';

/** A container runtime spoken to by the Kubernetes CRI v1, and by containerd's own services for image digests. */
export class CriRuntime implements ContainerRuntime {
  readonly #client: GrpcClient;
  readonly #images: ImageEvidenceSource;

  /** `socket`: path of the CRI socket, such as /run/containerd/containerd.sock or k3s' /run/k3s/containerd/containerd.sock. */
  constructor(socket: string) {
    // containerd wants the header; the CRI itself, and other runtimes, take no notice of it.
    this.#client = new GrpcClient(socket, { headers: { 'containerd-namespace': 'k8s.io' } });
    this.#images = new ImageEvidenceSource(new ContainerdImages(this.#client), (config) => this.#repoDigests(config));
  }

  async container(id: string): Promise<ContainerEvidence | undefined> {
    return this.#checked(async () => {
      const answer = await this.#status(id);
      if (answer?.status === undefined) return undefined;
      return this.#describe(answer.status, parseContainerInfo(answer.info));
    });
  }

  async containersOf(podUid: string): Promise<readonly string[]> {
    const found = await this.#list({ [POD_UID_LABEL]: podUid });
    return found.map(({ id }) => id);
  }

  async alive(): Promise<readonly AliveContainer[]> {
    return this.#list({});
  }

  close(): void {
    this.#client.close();
  }

  async #list(labelSelector: Record<string, string>): Promise<AliveContainer[]> {
    return this.#checked(async () => {
      const method = RuntimeService.method.listContainers;
      const { containers } = await this.#client.unary(method, { filter: { labelSelector } });
      return containers.flatMap(({ id, state, labels }) => {
        const podUid = labels[POD_UID_LABEL];
        const running = state === ContainerState.CONTAINER_RUNNING;
        const alive = running || state === ContainerState.CONTAINER_CREATED;
        return alive && podUid !== undefined ? [{ id, podUid, running }] : [];
      });
    });
  }

  async #status(id: string): Promise<MessageShape<typeof ContainerStatusResponseSchema> | undefined> {
    try {
      return await this.#client.unary(RuntimeService.method.containerStatus, { containerId: id, verbose: true });
    } catch (thrown) {
      if (thrown instanceof KeysteadError && thrown.code === 'NotFound') return undefined;
      throw thrown;
    }
  }

  async #describe(status: ContainerStatus, info: ContainerInfo | undefined): Promise<ContainerEvidence> {
    const podUid = status.labels[POD_UID_LABEL];
    const name = status.metadata?.name;
    if (info === undefined || podUid === undefined || name === undefined) throw incomplete(status.id);
    const config = await this.#config(status, info);
    const image = await this.#images.of({ config, reference: referenceOf(status, info) });
    const { uid, gid, pid, argv, imageEnvironment } = info;
    const known = { id: status.id, name, podUid, image, uid, gid, imageEnvironment };
    return { ...known, ...(pid !== undefined && { pid }), ...(argv !== undefined && { argv }) };
  }

  /**
   * The configuration digest of the image that the container was created from. It is fixed at creation: a tag that
   * has moved since does not matter.
   */
  async #config(status: ContainerStatus, info: ContainerInfo): Promise<Digest> {
    const told = normalDigest(status.imageId) ?? normalDigest(info.image);
    if (told !== undefined) return told;
    const { image } = await this.#client.unary(ImageService.method.imageStatus, { image: { image: status.imageRef } });
    const config = normalDigest(image?.id);
    if (config !== undefined) return config;
    throw new KeysteadError(
      'Unavailable',
      `the container runtime tells no digest of the image of container ${status.id} (${status.imageRef})`,
    );
  }

  async #repoDigests(config: Digest): Promise<readonly string[]> {
    const { image } = await this.#client.unary(ImageService.method.imageStatus, { image: { image: config } });
    return image?.repoDigests ?? [];
  }

  async #checked<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      if (!(thrown instanceof KeysteadError)) throw thrown;
      const hint = `check that the container runtime runs and that ${this.#client.socket} is its CRI socket`;
      throw new KeysteadError('Unavailable', `${thrown.message}; ${hint}`, { cause: thrown });
    }
  }
}

/** The image as the pod names it; from runtimes that do not tell, the name that says most. */
function referenceOf(status: ContainerStatus, info: ContainerInfo): string {
  const name = status.image?.image ?? '';
  // An old containerd gives the image's id here when the image has no tag, and its pulled name only as `imageRef`.
  return info.userSpecifiedImage ?? (name === '' || normalDigest(name) ? status.imageRef : name);
}

function incomplete(id: string): KeysteadError {
  const message = `the verbose status of container ${id} lacks the pod uid, the name or the user of its process`;
  return new KeysteadError('Unavailable', message);
}
