// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Thrown by who is told of a held start to keep the container from starting; everything else that it throws lets it start. */
export class StartRefused extends KeysteadError {
  constructor(message: string) {
    super('AttestationDenied', message);
  }
}
