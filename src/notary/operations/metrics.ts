// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import { noBody, type NoBody, type Operation } from './operation.ts';

/** Gives Prometheus text. */
export const metrics: Operation<NoBody, string> = {
  ...noBody,
  encodeResult: (text) => ({ text }),
  decodeResult: (result) => new Fields(result, 'metrics').string('text', Number.MAX_SAFE_INTEGER),
};
