// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { NotaryStatus } from '../port.ts';
import { noBody, type NoBody, type Operation } from './operation.ts';

export const status: Operation<NoBody, NotaryStatus> = {
  ...noBody,
  encodeResult: (result) => result,
  /** The notary is of the same release and the more trusted side, so its status is looked at no closer than this. */
  decodeResult: (result) => {
    new Fields(result, 'status').boolean('ready');
    return result as NotaryStatus;
  },
};
