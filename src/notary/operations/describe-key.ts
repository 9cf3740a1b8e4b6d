// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { KeyDescription, ModuleKeyName } from '../key-port.ts';
import type { KeyAttributes, TokenDescription } from '../root-of-trust/port.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import type { Operation } from './operation.ts';

const MAX_URI = 4096;
const MAX_NAME = 512;
const KINDS = ['PKCS11', 'TPM', 'Software'] as const;

export const describeKey: Operation<ModuleKeyName, KeyDescription> = {
  encodeBody: (key) => key,
  decodeBody: (message) => decodeModuleKeyName(message.object('body')),
  encodeResult: (description) => description,
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      keyUri: fields.string('keyUri', MAX_URI),
      attributes: attributesIn(fields.object('attributes')),
      token: tokenIn(fields.object('token')),
    };
  },
};

function attributesIn(fields: Fields): KeyAttributes {
  return {
    sensitive: fields.boolean('sensitive'),
    extractable: fields.boolean('extractable'),
    neverExtractable: fields.boolean('neverExtractable'),
    local: fields.boolean('local'),
  };
}

function tokenIn(fields: Fields): TokenDescription {
  return {
    kind: fields.oneOf('kind', KINDS),
    label: fields.string('label', MAX_NAME),
    serial: fields.string('serial', MAX_NAME),
    manufacturer: fields.string('manufacturer', MAX_NAME),
    model: fields.string('model', MAX_NAME),
    library: fields.string('library', MAX_URI),
  };
}
