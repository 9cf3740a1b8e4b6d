// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG, TPM_RH, TPM_ST } from '../../../tpm/constants.ts';
import { loadedHandle, permanent, type Entity, type Response } from './framing.ts';
import { nameOf, parsePublic, type PublicArea, type Scheme } from '../../../tpm/public-area.ts';
import type { TpmReader } from '../../../tpm/reader.ts';
import { refusalOf } from './response-codes.ts';
import type { AuthSession } from './session.ts';
import { readSignature, type TpmSignature } from '../../../tpm/signature.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY, sized, u16, u32 } from '../../../tpm/writer.ts';

/** An object in the TPM with its public area. The name is computed here and not taken from the TPM's word. */
export interface TpmObject extends Entity {
  readonly area: PublicArea;
  /** TPMT_PUBLIC as the TPM gave it. */
  readonly publicArea: Buffer;
}

/** What the TPM says of how an object came to be; proof only together with the ticket (TPM2_CertifyCreation). */
export interface Creation {
  readonly data: Buffer;
  readonly hash: Buffer;
  /** TPMT_TK_CREATION. */
  readonly ticket: Buffer;
}

/** An object outside the TPM: only the parent that made it can load it. */
export interface ObjectBlob {
  /** TPM2B_PUBLIC and TPM2B_PRIVATE without their lengths. */
  readonly publicArea: Buffer;
  readonly privateArea: Buffer;
}

export interface SensitiveInput {
  /** Authorisation value of the new object. */
  readonly auth?: Buffer;
  /** Data to seal; the TPM makes the secret itself where there is none. */
  readonly data?: Buffer;
}

const NO_SCHEME = u16(TPM_ALG.null);
/** TPMT_TK_HASHCHECK for a digest that was computed outside (Part 2, 10.7.6). */
const NULL_TICKET = Buffer.concat([u16(TPM_ST.hashCheck), u32(TPM_RH.null), sized()]);

/** TPM2_CreatePrimary: the same template in the same hierarchy always gives the same key. */
export function createPrimary(tpm: Tpm, hierarchy: Entity, template: Buffer, auth: Buffer = EMPTY): TpmObject {
  const response = tpm.execute('CreatePrimary', {
    handles: [hierarchy],
    parameters: creationInput(template, { auth }),
  });
  const publicArea = response.parameters.sized();
  readCreation(response.parameters);
  return { ...loaded(response, publicArea), auth };
}

/** TPM2_Create under a loaded parent. */
export function create(
  tpm: Tpm,
  parent: Entity,
  template: Buffer,
  sensitive: SensitiveInput = {},
): ObjectBlob & { readonly creation: Creation } {
  const input = creationInput(template, sensitive);
  const { parameters } = tpm.execute('Create', { handles: [parent], parameters: input });
  const [privateArea, publicArea] = [parameters.sized(), parameters.sized()];
  const creation = readCreation(parameters);
  parameters.end();
  return { privateArea, publicArea, creation };
}

function creationInput(template: Buffer, { auth = EMPTY, data = EMPTY }: SensitiveInput): Buffer {
  const noPcrs = u32(0);
  return Buffer.concat([sized(sized(auth), sized(data)), sized(template), sized(), noPcrs]);
}

function readCreation(reader: TpmReader): Creation {
  const [data, hash] = [reader.sized(), reader.sized()];
  const ticket = Buffer.concat([u16(reader.u16()), u32(reader.u32()), sized(reader.sized())]);
  return { data, hash, ticket };
}

/** TPM2_Load. The caller flushes (`withTransient`). */
export function load(tpm: Tpm, parent: Entity, blob: ObjectBlob, auth: Buffer = EMPTY): TpmObject {
  const parameters = Buffer.concat([sized(blob.privateArea), sized(blob.publicArea)]);
  return { ...loaded(tpm.execute('Load', { handles: [parent], parameters }), blob.publicArea), auth };
}

/** TPM2_LoadExternal of a public key alone. The caller flushes. */
export function loadExternal(tpm: Tpm, publicArea: Buffer): TpmObject {
  const parameters = Buffer.concat([sized(), sized(publicArea), u32(TPM_RH.null)]);
  return loaded(tpm.execute('LoadExternal', { parameters }), publicArea);
}

/** The end of a response that loaded something: its last parameter is the name. */
function loaded(response: Response, publicArea: Buffer): TpmObject {
  const name = response.parameters.sized();
  response.parameters.end();
  return named(loadedHandle(response), { publicArea, name }, response.parameters);
}

function named(handle: number, found: { publicArea: Buffer; name: Buffer }, reader: TpmReader): TpmObject {
  const area = parsePublic(found.publicArea);
  const name = nameOf(found.publicArea, area.nameAlgorithm);
  if (!name.equals(found.name)) throw reader.fail('a name that is not the digest of the public area');
  return { handle, name, area, publicArea: found.publicArea };
}

/** TPM2_ReadPublic. Throws NotFound where nothing has this handle. */
export function readPublic(tpm: Tpm, handle: number, auth: Buffer = EMPTY): TpmObject {
  const { parameters } = tpm.execute('ReadPublic', { handles: [{ handle, name: EMPTY }] });
  const [publicArea, name] = [parameters.sized(), parameters.sized()];
  parameters.sized(); // the qualified name
  parameters.end();
  return { ...named(handle, { publicArea, name }, parameters), auth };
}

/** TPM2_Sign of a digest; `scheme` where the key has none of its own. */
export function signDigest(tpm: Tpm, key: Entity, digest: Buffer, scheme?: Scheme): TpmSignature {
  const chosen = scheme ? Buffer.concat([u16(scheme.algorithm), u16(scheme.hash)]) : NO_SCHEME;
  const input = Buffer.concat([sized(digest), chosen, NULL_TICKET]);
  const { parameters } = tpm.execute('Sign', { handles: [key], parameters: input });
  const signature = readSignature(parameters);
  parameters.end();
  return signature;
}

/** TPM2_Unseal, authorised by a policy session or, without one, by the object's authorisation value. */
export function unseal(tpm: Tpm, object: Entity, session?: AuthSession): Buffer {
  const { parameters } = tpm.execute('Unseal', { handles: [object], sessions: [session] });
  const data = parameters.sized();
  parameters.end();
  return data;
}

/** TPM2_ContextSave: TPMS_CONTEXT, good until the TPM is restarted. */
export function saveContext(tpm: Tpm, handle: number): Buffer {
  return tpm.execute('ContextSave', { handles: [permanent(handle)] }).parameters.rest();
}

/** TPM2_ContextLoad; gives the new handle. */
export function loadContext(tpm: Tpm, context: Buffer): number {
  const response = tpm.execute('ContextLoad', { parameters: context });
  response.parameters.end();
  return loadedHandle(response);
}

/** TPM2_ReadPublic; undefined where nothing has this handle. */
export function findPublic(tpm: Tpm, handle: number): TpmObject | undefined {
  try {
    return readPublic(tpm, handle);
  } catch (thrown) {
    if (refusalOf(thrown) === 'TPM_RC_HANDLE') return undefined;
    throw thrown;
  }
}
