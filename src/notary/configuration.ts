// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { checkTrustDomain } from '../issue/spiffe-id.ts';
import { Fields } from './fields.ts';
import { decodeIssuer, MAX_LIFETIME_SECONDS } from './issuer-settings.ts';
import type { NotaryConfiguration } from './port.ts';
import { decodeAttesterPlace, decodeRootsChoice } from './root-of-trust/choice.ts';

/** RFC 1123 subdomain, the form of a Kubernetes node name. */
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const MAX_VERSION = 2 ** 31 - 1;
const MAX_TIME = 8.64e15;
const MAX_TOKEN_SECONDS = 86_400;
/** For a configuration that was kept before there were tokens. */
const DEFAULT_TOKENS: NotaryConfiguration['tokens'] = { keyLifetimeSeconds: 30 * 86_400, maxSeconds: 3600 };

/**
 * Reads a configuration from outside (the agent's message, the document kept in the state folder); only known fields
 * stay. Throws InvalidConfiguration that names the field.
 */
export function decodeConfiguration(value: unknown): NotaryConfiguration {
  const fields = new Fields(value, 'configuration', 'InvalidConfiguration');
  const configuration = {
    trustDomain: trustDomain(fields),
    node: fields.string('node', 253),
    rootOfTrust: decodeRootsChoice(fields.object('rootOfTrust')),
    issuer: decodeIssuer(fields.object('issuer')),
    ...(fields.has('masterSecretVersion') && {
      masterSecretVersion: fields.integer('masterSecretVersion', 1, MAX_VERSION),
    }),
    tokens: fields.has('tokens') ? decodeTokens(fields.object('tokens')) : DEFAULT_TOKENS,
    ...(fields.has('measuredBoot') && { measuredBoot: decodeMeasuredBoot(fields.object('measuredBoot')) }),
  };
  if (!NODE_NAME.test(configuration.node)) {
    throw invalid('configuration.node', 'a Kubernetes node name', JSON.stringify(configuration.node));
  }
  return configuration;
}

function trustDomain(fields: Fields): string {
  const name = fields.string('trustDomain', 255);
  try {
    checkTrustDomain(name);
  } catch (thrown) {
    throw new KeysteadError('InvalidConfiguration', `configuration.trustDomain: ${asKeysteadError(thrown).message}`);
  }
  return name;
}

function decodeTokens(fields: Fields): NotaryConfiguration['tokens'] {
  const maxSeconds = fields.integer('maxSeconds', 1, MAX_TOKEN_SECONDS);
  const keyLifetimeSeconds = fields.integer('keyLifetimeSeconds', 2 * maxSeconds, MAX_LIFETIME_SECONDS);
  const rotate = fields.has('rotateBefore') && { rotateBefore: fields.integer('rotateBefore', 0, MAX_TIME) };
  return { keyLifetimeSeconds, maxSeconds, ...rotate };
}

function decodeMeasuredBoot(fields: Fields): NonNullable<NotaryConfiguration['measuredBoot']> {
  return {
    ...(fields.has('tpm') && { tpm: decodeAttesterPlace(fields.object('tpm'), 'configuration.measuredBoot.tpm') }),
    // The firmware's own PCRs are none of a program's business.
    applicationPcr: fields.integer('applicationPcr', 8, 23),
    ...(fields.has('agentProgram') && { agentProgram: sha256(fields, 'agentProgram') }),
  };
}

function sha256(fields: Fields, name: string): string {
  const text = fields.string(name, 64);
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw invalid(`configuration.measuredBoot.${name}`, '64 hexadecimal digits', JSON.stringify(text));
}

/** Whether two configurations, both decoded, say the same. */
export function sameConfiguration(a: NotaryConfiguration, b: NotaryConfiguration): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Throws InvalidConfiguration where the notary would become another node's or another trust domain's. */
export function checkSameHome(present: NotaryConfiguration, wanted: NotaryConfiguration): void {
  for (const field of ['trustDomain', 'node'] as const) {
    if (present[field] === wanted[field]) continue;
    const remedy =
      'every certificate issued so far would become void; to start over, stop the notary, empty its state folder and ' +
      'destroy its keys on the token';
    throw invalid(`configuration.${field}`, `${present[field]}, which cannot be changed (${remedy})`, wanted[field]);
  }
}

function invalid(field: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `${field}: expected ${expected}, found ${found}`);
}
