// SPDX-License-Identifier: Apache-2.0

/** Something that a person must put right. `remedy` says how; the command line prints both and exits with 1. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.remedy = remedy;
  }
}
