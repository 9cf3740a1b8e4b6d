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
import { codec } from '../../../src/grpc/client.ts';
import { ConnectionError, StreamError } from '../../../src/grpc/http2/error.ts';
import { FrameReader } from '../../../src/grpc/http2/frame.ts';
import { HeaderBlocks } from '../../../src/grpc/http2/header-blocks.ts';
import { requestHeaders } from '../../../src/grpc/http2/request-headers.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { mutateProtobuf } from '../mutations/protobuf.ts';
import { target, type Target } from '../target.ts';

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

const block = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** Frames of headers as clients begin with them, whole and in two pieces; then one that builds on the first. */
const FIRST = block('828684418cf1e3c2e5f23a6ba0ab90f4ff');
const CONNECTIONS: readonly Buffer[] = [
  connection(headersFrame(1, 4, FIRST), headersFrame(3, 5, block('828684be5886a8eb10649cbf'))),
  connection(headersFrame(1, 0, FIRST.subarray(0, 7)), headersFrame(1, 4, FIRST.subarray(7), 9)),
  connection(headersFrame(1, 0x2c, Buffer.concat([Buffer.alloc(6), FIRST]))),
];

function connection(...frames: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ...frames]);
}

function headersFrame(stream: number, flags: number, payload: Buffer, type = 1): Buffer {
  return Buffer.concat([Buffer.of(0, 0, payload.length, type, flags, 0, 0, 0, stream), payload]);
}

/** Reads the header blocks of a connection; what it throws is what ends a connection or a stream, and nothing else. */
function readHeaders(octets: Buffer): unknown {
  const blocks = new HeaderBlocks();
  const found: unknown[] = [];
  try {
    new FrameReader().read(octets, (each) => {
      const read = each.type === 1 || each.type === 9 ? blocks.take(each) : undefined;
      if (read?.fields) found.push(requestHeaders(read.stream, read.fields));
    });
  } catch (thrown) {
    if (!(thrown instanceof ConnectionError) && !(thrown instanceof StreamError)) throw thrown;
    throw new KeysteadError('InvalidRequest', thrown.message);
  }
  return found;
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
    name: 'http2-headers',
    weight: 4,
    corpus: CONNECTIONS,
    mutate: (octets, dice) => mutateOctets(octets, dice, CONNECTIONS),
    read: readHeaders,
  }),
];
