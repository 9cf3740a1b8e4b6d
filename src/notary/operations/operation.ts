// SPDX-License-Identifier: Apache-2.0
import type { Fields } from '../fields.ts';

/**
 * How one operation of the notary crosses its socket, the same for both sides: what goes in and what comes out, as JSON.
 * What it does is the method of its name in NotaryService.
 */
export interface Operation<Body, Result> {
  /** Bytes become base64. */
  readonly encodeBody: (body: Body) => unknown;
  /** Reads the body from outside, field by field. Throws InvalidRequest, or InvalidConfiguration, that names the field. */
  readonly decodeBody: (message: Fields) => Body;
  readonly encodeResult: (result: Result) => unknown;
  /** Throws InvalidRequest where the notary's answer has another form. */
  readonly decodeResult: (result: unknown) => Result;
}

/** For operations that say all with their name. */
export type NoBody = Readonly<Record<string, never>>;

export const noBody = {
  encodeBody: (): NoBody => ({}),
  decodeBody: (): NoBody => ({}),
};
