// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import { requireSecurityHeader } from '../../../src/workload/spiffe/header.ts';

function metadata(...values: readonly string[]): { metadata: Metadata } {
  const made = new Metadata();
  for (const value of values) made.add('workload.spiffe.io', value);
  return { metadata: made };
}

describe('the security header', () => {
  it('is "true", once', () => expect(() => requireSecurityHeader(metadata('true'))).not.toThrow());

  it.each([
    ['missing', []],
    ['empty', ['']],
    ['in capitals', ['TRUE']],
    ['false', ['false']],
    ['padded', ['true ']],
    ['there twice', ['true', 'true']],
    ['there twice in one line, as HTTP/2 joins it', ['true, true']],
  ])('is refused where it is %s', (_what, values) => {
    expect(() => requireSecurityHeader(metadata(...values))).toThrow(
      expect.objectContaining({ code: 'InvalidRequest' }),
    );
  });
});
