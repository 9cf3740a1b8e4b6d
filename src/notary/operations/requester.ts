// SPDX-License-Identifier: Apache-2.0
import type { Fields } from '../fields.ts';
import type { Requester } from '../port.ts';

/** Longer texts about the requester are refused: they end up in log lines. */
const MAX_NAME = 512;
const MAX_PID = 2 ** 22;

export function decodeRequester(fields: Fields): Requester {
  return {
    module: fields.string('module', MAX_NAME),
    identity: fields.string('identity', MAX_NAME),
    pod: fields.string('pod', MAX_NAME),
    podUid: fields.string('podUid', MAX_NAME),
    container: fields.string('container', MAX_NAME),
    ...(fields.has('pid') && { pid: fields.integer('pid', 1, MAX_PID) }),
    imageDigest: fields.string('imageDigest', MAX_NAME),
  };
}
