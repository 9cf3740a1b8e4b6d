// SPDX-License-Identifier: Apache-2.0

/** For modules in Node: the identity that Keystead gives them, and the keys that it keeps for them. */
export { Identity, type Authorize, type ClientOptions, type OpenOptions } from './identity.ts';
export { NotaryClient, type NotaryOptions, type SignOptions } from './notary.ts';
export { spiffeIdOf, type IdentityState } from './state.ts';
export { KeysteadError, type ErrorCode } from '../errors.ts';
