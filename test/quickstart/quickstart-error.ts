// SPDX-License-Identifier: Apache-2.0

/** Something that the quickstart set out to show did not happen; the message says what. */
export class QuickstartError extends Error {
  override readonly name = 'QuickstartError';
}
