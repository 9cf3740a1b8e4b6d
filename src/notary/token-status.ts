// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { pemOf } from '../issue/pem.ts';
import type { IssuingAuthority } from './authority.ts';
import { deviceIn, modulesIn, type Held } from './held.ts';
import type { NotaryStatus, TokenStatus } from './port.ts';
import type { RevocationSummary } from './revocation-port.ts';
import type { TokenKeys } from './token-keys.ts';

/** EdgeDevice.status has room for so many. */
const MAX_KEYS_SHOWN = 128;

/** Why nothing is open; without a failure it is just being tried. */
export function failedStatus(failure: KeysteadError | undefined): TokenStatus {
  const { code, message } = failure ?? new KeysteadError('Unavailable', 'the root of trust is being opened');
  return { ready: false, reason: code, message };
}

/** Of a thread that holds the node's own keys, and perhaps those of modules. */
export function deviceStatus(held: Held, revocation: RevocationSummary): TokenStatus {
  const { authority, root, tokens } = deviceIn(held);
  const { uri } = authority.issuer.key;
  const keys = held.inventory
    .list()
    .map((entry) => (entry.uri === uri ? { ...entry, purpose: 'Issuer' as const } : entry));
  return {
    ready: true,
    token: root.token,
    ...(held.modules && held.modules.root !== root && { moduleToken: held.modules.root.token }),
    issuer: issuerStatus(authority),
    ...{ keys: keys.slice(0, MAX_KEYS_SHOWN), keyCount: keys.length },
    tokens: tokensOf(tokens),
    revocation,
  };
}

/** Of a thread that holds modules' keys alone. */
export function modulesStatus(held: Held): TokenStatus {
  const keys = held.inventory.list();
  const inventory = { keys: keys.slice(0, MAX_KEYS_SHOWN), keyCount: keys.length };
  return { ready: true, moduleToken: modulesIn(held).root.token, ...inventory };
}

/** What two threads say, as one. Certificates are issued as long as the node's own keys are there. */
export function mergedStatus(device: TokenStatus, modules: TokenStatus): TokenStatus {
  const keys = [...(device.keys ?? []), ...(modules.keys ?? [])].slice(0, MAX_KEYS_SHOWN);
  const both = {
    ...device,
    ...(modules.moduleToken && { moduleToken: modules.moduleToken }),
    ...(device.keys && { keys, keyCount: (device.keyCount ?? 0) + (modules.keyCount ?? 0) }),
  };
  if (!device.ready || modules.ready) return both;
  const { reason = 'Unavailable', message = '' } = modules;
  return { ...both, ready: false, reason, message: inModules(message) };
}

/** As `openRoots` says it. */
function inModules(message: string): string {
  return message.startsWith('rootOfTrust.modules: ') ? message : `rootOfTrust.modules: ${message}`;
}

function issuerStatus({ issuer, anchors }: IssuingAuthority): NonNullable<NotaryStatus['issuer']> {
  const { key, entry, intermediates } = issuer;
  const { sensitive, extractable } = key.attributes;
  return {
    algorithm: key.algorithm,
    keyUri: key.uri,
    sensitive,
    extractable,
    chain: [entry.der, ...intermediates.slice(1)].map(pemOf).join(''),
    anchors: anchors.map(pemOf).join(''),
    ...entry.certificate.validity,
  };
}

function tokensOf({ published, failure }: TokenKeys): NonNullable<NotaryStatus['tokens']> {
  return { keys: published, ...(failure && { failure: { code: failure.code, message: failure.message } }) };
}
