// SPDX-License-Identifier: Apache-2.0
import { Duplex } from 'node:stream';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  ConfigureRequestSchema,
  ContainerState,
  PostStartContainerRequestSchema,
  StartContainerRequestSchema,
  SynchronizeRequestSchema,
} from '../../../src/gen/nri/api_pb.js';
import { RequestSchema, ResponseSchema } from '../../../src/gen/ttrpc/request_pb.js';
import { parseContainerInfo } from '../../../src/runtime/container-info.ts';
import { digestOfReference, normalDigest, parseDocument } from '../../../src/runtime/image-digests.ts';
import { encodeMux, encodeTtrpc, MuxReader, TtrpcReader } from '../../../src/runtime/nri/frames.ts';
import { NriPlugin } from '../../../src/runtime/nri/plugin.ts';
import type { Dice } from '../dice.ts';
import { mutateJson } from '../mutations/json.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { mutateProtobuf } from '../mutations/protobuf.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const pod = { id: 'sandbox', uid: 'u-1', name: 'press-0', namespace: 'factory' };
const container = {
  id: 'c'.repeat(64),
  podSandboxId: 'sandbox',
  name: 'main',
  pid: 4711,
  state: ContainerState.CONTAINER_RUNNING,
  args: ['/bin/press'],
};

/** A call of the runtime, as the bytes of the plugin's connection. */
function called(method: string, payload: Uint8Array): Buffer {
  const request = create(RequestSchema, { service: 'nri.pkg.api.v1alpha1.Plugin', method, payload });
  return encodeMux(1, encodeTtrpc(1, 'request', toBinary(RequestSchema, request)));
}

const CALLS = {
  Configure: toBinary(
    ConfigureRequestSchema,
    create(ConfigureRequestSchema, { runtimeName: 'containerd', requestTimeout: 2000n }),
  ),
  Synchronize: toBinary(
    SynchronizeRequestSchema,
    create(SynchronizeRequestSchema, { pods: [pod], containers: [container] }),
  ),
  StartContainer: toBinary(StartContainerRequestSchema, create(StartContainerRequestSchema, { pod, container })),
  PostStartContainer: toBinary(
    PostStartContainerRequestSchema,
    create(PostStartContainerRequestSchema, { pod, container }),
  ),
};
const registered = encodeMux(2, encodeTtrpc(1, 'response', toBinary(ResponseSchema, create(ResponseSchema, {}))));
const STREAMS = Object.entries(CALLS).map(([method, payload]) => Buffer.concat([registered, called(method, payload)]));

function mutateStream(stream: Buffer, dice: Dice): Buffer {
  if (dice.oneIn(3)) return mutateOctets(stream, dice, STREAMS);
  const [method, payload] = dice.pick(Object.entries(CALLS));
  const changed = called(dice.oneIn(9) ? mutateText(method, dice) : method, mutateProtobuf(Buffer.from(payload), dice));
  return Buffer.concat([registered, changed, stream]);
}

function frames(stream: Buffer): boolean {
  const ttrpc = new TtrpcReader();
  return new MuxReader().push(stream).flatMap(({ payload }) => ttrpc.push(payload)).length > 0;
}

/** A plugin answers or hangs up, whatever the runtime says; it never fails the process. */
async function plugged(stream: Buffer): Promise<boolean> {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const sink = { event: () => Promise.resolve(), connected: () => undefined };
  const plugin = new NriPlugin(socket, sink, { name: 'keystead', index: '10', holdMilliseconds: 100 });
  const over = plugin.run();
  socket.push(stream);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const hungUp = socket.destroyed;
  socket.destroy();
  await over;
  return !hungUp;
}

const INFO = {
  pid: 4711,
  runtimeSpec: { process: { user: { uid: 1000, gid: 1000 } } },
  config: { image: { image: DIGEST, user_specified_image: `registry/press@${DIGEST}` } },
};
const DOCUMENTS: readonly unknown[] = [
  {
    manifests: [
      { digest: DIGEST, platform: { architecture: 'amd64', os: 'linux' } },
      { digest: DIGEST, annotations: {} },
    ],
  },
  { config: { digest: DIGEST }, layers: [{ digest: DIGEST }] },
];
const REFERENCES = [DIGEST, `registry:5000/press@${DIGEST}`, 'ab'.repeat(32)];

export const RUNTIME_TARGETS: readonly Target[] = [
  target({ name: 'nri-frames', weight: 2, corpus: STREAMS, mutate: mutateStream, read: frames }),
  target({ name: 'nri-plugin', weight: 1, corpus: STREAMS, mutate: mutateStream, read: plugged }),
  target({
    name: 'container-info',
    weight: 2,
    corpus: [INFO as unknown],
    mutate: (info, dice) => mutateJson(info, dice),
    read: (info) => parseContainerInfo({ info: JSON.stringify(info) }) !== undefined,
  }),
  target({
    name: 'image-document',
    weight: 2,
    corpus: DOCUMENTS,
    mutate: (document, dice) => mutateJson(document, dice),
    read: (document) => parseDocument(Buffer.from(JSON.stringify(document))) !== undefined,
  }),
  target({
    name: 'image-reference',
    weight: 2,
    corpus: REFERENCES,
    mutate: (reference, dice) => mutateText(reference, dice, ['sha256:', '@', ':', 'SHA256:'], REFERENCES),
    read: (reference) => {
      const found = [normalDigest(reference), digestOfReference(reference)].filter((digest) => digest !== undefined);
      must(
        found.every((digest) => /^sha256:[0-9a-f]{64}$/.test(digest)),
        'one form of a digest',
      );
      return found.length > 0;
    },
  }),
];
