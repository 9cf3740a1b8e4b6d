// SPDX-License-Identifier: Apache-2.0
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { TaskExitSchema, TaskStartSchema } from '../../../src/gen/containerd/events/task_pb.js';
import { NodePublishVolumeRequestSchema } from '../../../src/gen/csi/v1/csi_pb.js';
import { StartContainerRequestSchema } from '../../../src/gen/nri/api_pb.js';
import { ContainerStatusResponseSchema, ListContainersResponseSchema } from '../../../src/gen/runtime/v1/api_pb.js';
import {
  ValidateJWTSVIDRequestSchema,
  X509SVIDRequestSchema,
  X509SVIDResponseSchema,
} from '../../../src/gen/spiffe/workload_pb.js';
import { correctAuthority } from '../../../src/grpc/authority.ts';
import { codec } from '../../../src/grpc/client.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { mutateProtobuf } from '../mutations/protobuf.ts';
import { must, target, type Target } from '../target.ts';

interface Message {
  readonly octets: Buffer;
  readonly schema: DescMessage;
}

function message<T extends DescMessage>(schema: T, init: MessageInitShape<T>): Message {
  return { octets: Buffer.from(toBinary<T>(schema, create<T>(schema, init))), schema };
}

const id = 'c'.repeat(64);
const MESSAGES: readonly Message[] = [
  message(X509SVIDRequestSchema, {}),
  message(ValidateJWTSVIDRequestSchema, { audience: 'hub', svid: 'a.b.c' }),
  message(X509SVIDResponseSchema, {
    svids: [{ spiffeId: 'spiffe://a/b', x509Svid: Buffer.alloc(40, 7), hint: 'press' }],
  }),
  message(NodePublishVolumeRequestSchema, {
    volumeId: 'csi-1',
    targetPath: '/var/lib/kubelet/pods/u-1',
    volumeContext: { 'csi.storage.k8s.io/pod.uid': 'u-1' },
    volumeCapability: { accessType: { case: 'mount', value: { mountFlags: ['ro'] } } },
  }),
  message(ContainerStatusResponseSchema, {
    status: { id, imageRef: `sha256:${id}`, labels: { a: 'b' } },
    info: { info: '{}' },
  }),
  message(ListContainersResponseSchema, { containers: [{ id, podSandboxId: id, createdAt: 1n }] }),
  message(TaskStartSchema, { containerId: id, pid: 4711 }),
  message(TaskExitSchema, { containerId: id, id, pid: 4711 }),
  message(StartContainerRequestSchema, { pod: { id }, container: { id, pid: 4711 } }),
];

/** A client's first headers: `:method`, `:scheme`, `:authority`, `:path`, and a field with a name of its own (RFC 7541). */
const HEADER_BLOCKS: readonly Buffer[] = ['/run/spiffe.sock', 'localhost'].map((authority) =>
  Buffer.from(
    `\x83\x86\x41${String.fromCharCode(authority.length)}${authority}\x44\x02/a\x40\x02te\x08trailers`,
    'latin1',
  ),
);

/** Slashes become dots; nothing else changes. */
function correctedOnly(block: Buffer): void {
  const after = Buffer.from(block);
  correctAuthority(after);
  const kept = (octet: number, at: number): boolean => octet === after[at] || (octet === 0x2f && after[at] === 0x2e);
  must(block.every(kept), 'a slash becomes a dot, and nothing else changes');
}

export const GRPC_TARGETS: readonly Target[] = [
  target({
    name: 'grpc-message',
    weight: 4,
    corpus: MESSAGES,
    mutate: ({ octets, schema }, dice) => ({ octets: mutateProtobuf(octets, dice), schema }),
    read: ({ octets, schema }) => codec(schema).deserialize(octets),
  }),
  target({
    name: 'http2-authority',
    corpus: HEADER_BLOCKS,
    mutate: (block, dice) => mutateOctets(block, dice, HEADER_BLOCKS),
    read: correctedOnly,
    outcome: 'accepts',
  }),
];
