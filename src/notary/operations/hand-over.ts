// SPDX-License-Identifier: Apache-2.0
import { noBody, type NoBody, type Operation } from './operation.ts';

/** Ends this notary's work for good, so that the next one on the same state may begin: the agent is about to end too. */
export const handOver: Operation<NoBody, void> = {
  ...noBody,
  encodeResult: () => ({}),
  decodeResult: () => undefined,
};
