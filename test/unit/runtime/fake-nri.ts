// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type Socket } from 'node:net';
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { RegisterPluginRequestSchema, type RegisterPluginRequest } from '../../../src/gen/nri/api_pb.js';
import { RequestSchema, ResponseSchema } from '../../../src/gen/ttrpc/request_pb.js';
import { encodeMux, encodeTtrpc, MuxReader, TtrpcReader } from '../../../src/runtime/nri/frames.ts';

/** The runtime's side of NRI, one plugin at a time, with faults on demand. */
export class FakeNri implements AsyncDisposable {
  readonly registered: RegisterPluginRequest[] = [];
  /** Refuses registrations while true. */
  refuse = false;
  #server: Server;
  #plugin: Socket | undefined;
  #waiting = new Map<number, (bytes: Uint8Array) => void>();
  #nextStream = 1;

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async listen(path: string): Promise<FakeNri> {
    const fake = new FakeNri();
    await new Promise<void>((resolve) => fake.#server.listen(path, resolve));
    return fake;
  }

  #accept(socket: Socket): void {
    const mux = new MuxReader();
    const plugin = new TtrpcReader();
    const runtime = new TtrpcReader();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const { connection, payload } of mux.push(bytes)) {
        if (connection === 1)
          for (const message of plugin.push(payload)) {
            this.#waiting.get(message.stream)?.(message.payload);
            this.#waiting.delete(message.stream);
          }
        else
          for (const message of runtime.push(payload)) {
            const { payload: body } = fromBinary(RequestSchema, message.payload);
            this.registered.push(fromBinary(RegisterPluginRequestSchema, body));
            const status = this.refuse ? { code: 3, message: 'no' } : undefined;
            const answer = create(ResponseSchema, status ? { status } : {});
            this.#plugin = socket;
            socket.write(encodeMux(2, encodeTtrpc(message.stream, 'response', toBinary(ResponseSchema, answer))));
          }
      }
    });
  }

  /** Calls the plugin; gives its answer, or the status with which it refused. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    raw?: Uint8Array,
  ): Promise<{ answer: MessageShape<O>; code: number; message: string }> {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const payload = raw ?? toBinary<I>(method.input, create<I>(method.input, request));
    const call = create(RequestSchema, { service: method.parent.typeName, method: method.name, payload });
    const bytes = await new Promise<Uint8Array>((resolve) => {
      this.#waiting.set(stream, resolve);
      this.write(encodeMux(1, encodeTtrpc(stream, 'request', toBinary(RequestSchema, call))));
    });
    const response = fromBinary(ResponseSchema, bytes);
    const { code = 0, message = '' } = response.status ?? {};
    return { answer: fromBinary<O>(method.output, response.payload), code, message };
  }

  write(bytes: Uint8Array): void {
    this.#plugin?.write(bytes);
  }

  /** Closes the plugin's connection, as the runtime does with one that was too slow. */
  drop(): void {
    this.#plugin?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
