// SPDX-License-Identifier: Apache-2.0
import type { Revoked, RevokeOthersRequest } from '../revocation-port.ts';
import type { Operation } from './operation.ts';
import { decodeRevoked } from './revoke.ts';

/** More pods than a kubelet runs; a request holds as many uids. */
const MAX_PODS = 1_024;
const MAX_UID = 64;

export const revokeOthers: Operation<RevokeOthersRequest, Revoked> = {
  encodeBody: (request) => request,
  decodeBody: (message) => ({ podUids: message.object('body').strings('podUids', MAX_PODS, MAX_UID) }),
  encodeResult: (revoked) => revoked,
  decodeResult: decodeRevoked,
};
