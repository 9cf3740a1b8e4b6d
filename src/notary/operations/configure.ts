// SPDX-License-Identifier: Apache-2.0
import { decodeConfiguration } from '../configuration.ts';
import type { NotaryConfiguration, NotaryStatus } from '../port.ts';
import type { Operation } from './operation.ts';
import { status } from './status.ts';

export const configure: Operation<NotaryConfiguration, NotaryStatus> = {
  ...status,
  encodeBody: (configuration) => configuration,
  decodeBody: (message) => decodeConfiguration(message.raw('body')),
};
