// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { KeyEvidence } from '../notary/key-evidence.ts';

type Shape = Readonly<Record<string, 'string' | 'boolean' | 'optional'>>;

const KEY: Shape = { purpose: 'string', publicKey: 'string', owner: 'optional' };
const ATTRIBUTES: Shape = {
  sensitive: 'boolean',
  extractable: 'boolean',
  neverExtractable: 'boolean',
  local: 'boolean',
};
const TOKEN: Shape = { kind: 'string', label: 'string', serial: 'string', manufacturer: 'string', model: 'string' };
const WHOLE: Shape = { node: 'string', time: 'string', nonce: 'string' };
const TPM: Shape = {
  publicArea: 'string',
  attestationKey: 'string',
  endorsementKey: 'optional',
  endorsementCertificate: 'optional',
};
const SIGNED: Shape = { attest: 'string', signature: 'string' };

/**
 * Reads evidence as `key-evidence` and the Notary API write it: every field that is looked at has its type, and nothing is
 * said of what it is worth. Throws InvalidRequest.
 */
export function parseKeyEvidence(text: string): KeyEvidence {
  const found = fields(parsed(text), WHOLE, 'evidence');
  if (found['format'] !== 1)
    throw malformed(`format ${typeof found['format'] === 'number' ? found['format'] : typeof found['format']}`);
  const key = fields(found['key'], KEY, 'key');
  fields(key['attributes'], ATTRIBUTES, 'key.attributes');
  fields(found['token'], TOKEN, 'token');
  const { tpm, vendorAttestation } = found;
  if (tpm !== undefined) {
    const statements = fields(tpm, TPM, 'tpm');
    fields(statements['presence'], SIGNED, 'tpm.presence');
    fields(statements['creation'], { ...SIGNED, data: 'string' }, 'tpm.creation');
  }
  if (vendorAttestation !== undefined) fields(vendorAttestation, { format: 'string' }, 'vendorAttestation');
  return found as unknown as KeyEvidence;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw malformed('no JSON');
  }
}

function fields(value: unknown, shape: Shape, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`no object as ${name}`);
  const object = value as Readonly<Record<string, unknown>>;
  for (const [field, type] of Object.entries(shape)) {
    const found = object[field];
    if (type === 'optional' ? found === undefined || typeof found === 'string' : typeof found === type) continue;
    throw malformed(`no ${type === 'optional' ? 'string' : type} as ${field} of ${name}`);
  }
  return object;
}

function malformed(found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `evidence: expected what keystead key-evidence writes, found ${found}`);
}
