// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { revocationStatus } from '../../../controllers/revocation-status.ts';

const NOW = Date.parse('2026-11-01T00:00:00Z');

describe('revoked tokens in the status of a device', () => {
  const tokens = Array.from({ length: 100 }, (_, at) => {
    return { jti: `jti-${at}`, until: NOW + 60_000, revokedAt: NOW + at, reason: 'privilegeWithdrawn' as const };
  });
  const listed = revocationStatus({ crls: [], tokens }, undefined).revocation?.tokens ?? [];

  it('are all listed, for other nodes to refuse them', () => {
    expect(listed.map(({ jti }) => jti)).toEqual(tokens.map(({ jti }) => jti));
  });

  it('say when and why of the newest alone, since each change of the list goes to every reader as a whole', () => {
    const explained = listed.filter(({ revokedAt, reason }) => revokedAt !== undefined && reason !== undefined);
    expect(explained.map(({ jti }) => jti)).toEqual(tokens.slice(36).map(({ jti }) => jti));
  });
});
