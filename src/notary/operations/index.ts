// SPDX-License-Identifier: Apache-2.0
import { activateCredential } from './activate-credential.ts';
import { attesterKeys } from './attester-keys.ts';
import { configure } from './configure.ts';
import { destroyHubKey } from './destroy-hub-key.ts';
import { destroyKey } from './destroy-key.ts';
import { handOver } from './hand-over.ts';
import { hubDecrypt, hubEncrypt } from './hub-cipher.ts';
import { hubKeys } from './hub-keys.ts';
import { hubSign } from './hub-sign.ts';
import { importHubKey } from './import-hub-key.ts';
import { issue } from './issue.ts';
import { issueFromRequest } from './issue-from-request.ts';
import { issueToken } from './issue-token.ts';
import { keyEvidence } from './key-evidence.ts';
import { metrics } from './metrics.ts';
import { moduleKeys } from './module-keys.ts';
import { obtainKey } from './obtain-key.ts';
import type { Operation } from './operation.ts';
import { quote } from './quote.ts';
import { revocationLists } from './revocation-lists.ts';
import { revoke } from './revoke.ts';
import { revokeOthers } from './revoke-others.ts';
import { signWithKey } from './sign-with-key.ts';
import { status } from './status.ts';

/** All that the notary can be asked for. */
export const OPERATIONS = {
  configure,
  status,
  issue,
  issueFromRequest,
  issueToken,
  obtainKey,
  signWithKey,
  destroyKey,
  moduleKeys,
  hubSign,
  hubEncrypt,
  hubDecrypt,
  importHubKey,
  hubKeys,
  destroyHubKey,
  revoke,
  revokeOthers,
  revocationLists,
  attesterKeys,
  activateCredential,
  quote,
  keyEvidence,
  metrics,
  handOver,
} as const;

export type OperationName = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as readonly OperationName[];

export type BodyOf<O extends OperationName> = Parameters<(typeof OPERATIONS)[O]['encodeBody']>[0];
export type ResultOf<O extends OperationName> = ReturnType<(typeof OPERATIONS)[O]['decodeResult']>;

/** What is answered without a token, so that it is answered however the tokens are. */
export type FrontOperation = 'configure' | 'status' | 'metrics' | 'handOver';
export type TokenOperation = Exclude<OperationName, FrontOperation>;

/** What needs nothing but the keys of modules. */
export const MODULE_OPERATIONS = [
  'obtainKey',
  'signWithKey',
  'destroyKey',
  'moduleKeys',
  'hubSign',
  'hubEncrypt',
  'hubDecrypt',
  'importHubKey',
  'hubKeys',
  'destroyHubKey',
] as const satisfies readonly TokenOperation[];
export type ModuleOperation = (typeof MODULE_OPERATIONS)[number];

/** What does the operations that need a token, each by its name. */
export type TokenPerformers = {
  readonly [O in TokenOperation]: (body: BodyOf<O>) => ResultOf<O>;
};

/** An operation without its types, for where bytes are read and written. */
export function operationNamed(name: OperationName): Operation<unknown, unknown> {
  return OPERATIONS[name] as Operation<unknown, unknown>;
}
