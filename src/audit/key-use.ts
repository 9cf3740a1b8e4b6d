// SPDX-License-Identifier: Apache-2.0
import { isErrorCode } from '../errors.ts';
import type { AuditEntry, RevokedUse } from '../notary/audit.ts';
import type { Requester } from '../notary/port.ts';

/** Longer explanations are cut: a record is for finding out what happened, not for debugging. */
const MAX_MESSAGE = 512;

/** The fields of a record for one use of a key, field by field, so that nothing is written that was not meant to be: JSON. */
export function encodeUse(entry: AuditEntry): string {
  const { requester, operation, keyUri, spiffeId, serial, notBefore, notAfter, result, reason } = entry;
  const { jti, keyId, audiences, revoked } = entry;
  return JSON.stringify({
    who: requester && who(requester),
    operation,
    keyUri,
    spiffeId,
    serial,
    jti,
    keyId,
    audiences,
    revoked: revoked && revokedUse(revoked),
    notBefore: notBefore === undefined ? undefined : new Date(notBefore).toISOString(),
    notAfter: notAfter === undefined ? undefined : new Date(notAfter).toISOString(),
    ...(isErrorCode(result) ? { result: 'Refused', code: result, message: reason?.slice(0, MAX_MESSAGE) } : { result }),
  });
}

function revokedUse({ podUid, identity, cause, serials, jtis }: RevokedUse): RevokedUse {
  return { ...(podUid !== undefined && { podUid }), ...(identity !== undefined && { identity }), cause, serials, jtis };
}

function who({ module, identity, pod, podUid, container, pid, imageDigest }: Requester): Requester {
  return { module, identity, pod, podUid, container, ...(pid !== undefined && { pid }), imageDigest };
}
