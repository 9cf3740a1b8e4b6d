// SPDX-License-Identifier: Apache-2.0
import { toBinary, type DescFile, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ServerReflection, type ServerReflectionRequest } from '../gen/grpc/reflection/v1/reflection_pb.js';
import { ServerReflection as AlphaReflection } from '../gen/grpc/reflection/v1alpha/reflection_pb.js';
import type { CallContext, GrpcServer, Handler } from './server.ts';

type Method = typeof ServerReflection.method.serverReflectionInfo;
type Response = ReturnType<Handler<Method>> extends AsyncIterable<infer M> ? M : never;
type Answer = NonNullable<Response['messageResponse']>;
/** Both versions have the same messages under other names. */
type Question = Pick<ServerReflectionRequest, 'messageRequest' | 'host'>;

/**
 * Serves gRPC server reflection (grpc/grpc-proto, v1 and v1alpha): tools such as grpcurl learn from it which services there
 * are and what their messages look like. `enter` is called for each stream and gives what to call at its end.
 */
export function addReflection(
  server: GrpcServer,
  services: readonly DescService[],
  enter: (context: CallContext) => () => void,
): void {
  const reflected = new Reflected([...services, ServerReflection, AlphaReflection]);
  const serverReflectionInfo = async function* (
    questions: AsyncIterable<Question>,
    context: CallContext,
  ): AsyncGenerator<Response, void> {
    const leave = enter(context);
    try {
      for await (const question of questions) {
        const { host, messageRequest } = question;
        const originalRequest = { host, messageRequest: messageRequest as never };
        yield { validHost: host, originalRequest, messageResponse: reflected.answer(messageRequest) };
      }
    } finally {
      leave();
    }
  };
  server.addService(ServerReflection, { serverReflectionInfo });
  server.addService(AlphaReflection, { serverReflectionInfo: serverReflectionInfo as never });
}

/** What services look like, by the names that are asked for. */
export class Reflected {
  readonly #services: readonly DescService[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = services;
    for (const { file } of services) this.#add(file);
  }

  answer(question: Question['messageRequest']): Answer {
    switch (question.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { service: this.#services.map(({ typeName }) => ({ name: typeName })) },
        };
      case 'fileByFilename':
        return described(this.#files.get(question.value.replace(/\.proto$/, '')), `file ${question.value}`);
      case 'fileContainingSymbol':
        return described(this.#symbols.get(question.value), `symbol ${question.value}`);
      case 'fileContainingExtension':
      case 'allExtensionNumbersOfType':
        return refused(status.NOT_FOUND, 'There are no extensions in these services.');
      case undefined:
        return refused(status.INVALID_ARGUMENT, 'The request asks for nothing.');
    }
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.name)) return;
    this.#files.set(file.name, file);
    for (const dependency of file.dependencies) this.#add(dependency);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const { name } of service.methods) this.#symbols.set(`${service.typeName}.${name}`, file);
    }
    for (const { typeName } of [...file.messages, ...file.enums]) this.#symbols.set(typeName, file);
  }
}

/** The file, and before it is of use all that it imports: a client asks for those by name, or takes them from here. */
function described(file: DescFile | undefined, asked: string): Answer {
  if (!file) return refused(status.NOT_FOUND, `There is no ${asked} in these services.`);
  const files = new Map<string, DescFile>();
  collect(file, files);
  const fileDescriptorProto = [...files.values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.name)) return;
  into.set(file.name, file);
  for (const dependency of file.dependencies) collect(dependency, into);
}

function refused(errorCode: status, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}
