// SPDX-License-Identifier: Apache-2.0
import type { NotaryApiPorts } from '../../src/workload/notary/port.ts';

const refuse = (): Promise<never> => Promise.reject(new Error('no notary'));

/** For tests of the other services on the sockets. */
export const NO_NOTARY: NotaryApiPorts = {
  sign: refuse,
  evidence: refuse,
  encrypt: refuse,
  decrypt: refuse,
  issue: refuse,
};
