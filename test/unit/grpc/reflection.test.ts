// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { Reflected } from '../../../src/grpc/reflection.ts';

const reflected = new Reflected([SpiffeWorkloadAPI]);

/** Names of the files in an answer. */
function files(answer: ReturnType<Reflected['answer']>): string[] {
  if (answer.case !== 'fileDescriptorResponse') throw new Error(`found ${answer.case}`);
  const { fileDescriptorProto = [] } = answer.value;
  return fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe('server reflection', () => {
  it('lists the services', () => {
    expect(reflected.answer({ case: 'listServices', value: '' })).toMatchObject({
      value: { service: [{ name: 'SpiffeWorkloadAPI' }] },
    });
  });

  it('describes a service, a method or a message with all that its file imports', () => {
    const complete = ['spiffe/workload.proto', 'google/protobuf/struct.proto'];
    for (const value of ['SpiffeWorkloadAPI', 'SpiffeWorkloadAPI.FetchX509SVID', 'X509SVIDResponse']) {
      expect(files(reflected.answer({ case: 'fileContainingSymbol', value }))).toEqual(complete);
    }
  });

  it('gives a file by its name, an import too', () => {
    expect(files(reflected.answer({ case: 'fileByFilename', value: 'google/protobuf/struct.proto' }))).toEqual([
      'google/protobuf/struct.proto',
    ]);
  });

  it('says not found for what is not there, and for a request that asks for nothing that it is invalid', () => {
    const code = (question: Parameters<Reflected['answer']>[0]): unknown => reflected.answer(question).value;
    expect(code({ case: 'fileContainingSymbol', value: 'Nothing' })).toMatchObject({ errorCode: 5 });
    expect(code({ case: 'fileByFilename', value: '../../etc/passwd' })).toMatchObject({ errorCode: 5 });
    expect(code({ case: 'allExtensionNumbersOfType', value: 'X509SVID' })).toMatchObject({ errorCode: 5 });
    expect(code({ case: undefined })).toMatchObject({ errorCode: 3 });
  });
});
