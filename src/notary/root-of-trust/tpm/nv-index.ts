// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { properties } from './capability.ts';
import { hex32, TPM_ALG, TPM_PT, TPMA_NV } from '../../../tpm/constants.ts';
import type { Entity } from './framing.ts';
import { nameOf } from '../../../tpm/public-area.ts';
import { TpmReader } from '../../../tpm/reader.ts';
import { refusalOf } from './response-codes.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY, sized, u16, u32 } from '../../../tpm/writer.ts';

/** An NV index with its public area (TPMS_NV_PUBLIC, Part 2, 13.5). Its name changes with the first write. */
export interface NvIndex extends Entity {
  /** TPMA_NV. */
  readonly attributes: number;
  readonly bytes: number;
}

/** What every TPM takes in one go, where it does not say (TPM_PT_NV_BUFFER_MAX). */
const SMALLEST_BUFFER = 512;

/** TPM2_NV_ReadPublic; undefined where the index is not defined. */
export function findNvIndex(tpm: Tpm, handle: number, auth: Buffer = EMPTY): NvIndex | undefined {
  try {
    const { parameters } = tpm.execute('NV_ReadPublic', { handles: [{ handle, name: EMPTY }] });
    const [publicArea, name] = [parameters.sized(), parameters.sized()];
    parameters.end();
    return { ...parseNvPublic(publicArea, handle, name), auth };
  } catch (thrown) {
    if (refusalOf(thrown) === 'TPM_RC_HANDLE') return undefined;
    throw thrown;
  }
}

/** Reads TPMS_NV_PUBLIC and checks that the name belongs to it. */
export function parseNvPublic(publicArea: Buffer, handle: number, name: Buffer): NvIndex {
  const reader = new TpmReader(publicArea, 'TPMS_NV_PUBLIC');
  const index = reader.u32();
  const nameAlgorithm = reader.u16();
  const attributes = reader.u32();
  reader.sized(); // policy
  const bytes = reader.u16();
  reader.end();
  if (index !== handle) throw reader.fail(`index ${hex32(index)} where ${hex32(handle)} was asked for`);
  if (!nameOf(publicArea, nameAlgorithm).equals(name)) throw reader.fail('a name that is not the digest of it');
  return { handle, name, attributes, bytes };
}

/** TPM2_NV_Read of all that an index holds; undefined where it is not defined. Read by its own or the owner's authorisation. */
export function readNv(tpm: Tpm, handle: number, auth: Buffer = EMPTY): Buffer | undefined {
  const index = findNvIndex(tpm, handle, auth);
  if (!index) return undefined;
  const reader = authority(tpm, index, { byAuth: TPMA_NV.authRead, byOwner: TPMA_NV.ownerRead });
  const most = bufferBytes(tpm);
  const parts: Buffer[] = [];
  for (let offset = 0; offset < index.bytes; offset += most) {
    const size = Math.min(most, index.bytes - offset);
    const { parameters } = tpm.execute('NV_Read', {
      handles: [reader, index],
      parameters: Buffer.concat([u16(size), u16(offset)]),
    });
    const part = parameters.sized();
    parameters.end();
    if (part.length !== size) throw parameters.fail(`${part.length} octets where ${size} were asked for`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * TPM2_NV_DefineSpace of an ordinary index under the owner: read and written with its own authorisation value, and read
 * by the owner. Not subject to the lockout. Throws InvalidRequest where the handle is taken.
 */
export function defineNv(tpm: Tpm, handle: number, bytes: number, auth: Buffer = EMPTY): void {
  const attributes = TPMA_NV.authWrite | TPMA_NV.authRead | TPMA_NV.ownerRead | TPMA_NV.noDictionaryAttack;
  const publicArea = Buffer.concat([u32(handle), u16(TPM_ALG.sha256), u32(attributes), sized(), u16(bytes)]);
  const parameters = Buffer.concat([sized(auth), sized(publicArea)]);
  tpm.execute('NV_DefineSpace', { handles: [tpm.owner], parameters }).parameters.end();
}

/** TPM2_NV_Write from the start of an index. Throws NotFound where it is not defined. */
export function writeNv(tpm: Tpm, handle: number, content: Buffer, auth: Buffer = EMPTY): void {
  const most = bufferBytes(tpm);
  for (let offset = 0; offset < content.length; offset += most) {
    // Looked up for each part: the first write changes the attributes and with them the name.
    const index = findNvIndex(tpm, handle, auth);
    if (!index) throw new KeysteadError('NotFound', `NV index ${hex32(handle)} is not defined; define it first`);
    const writer = authority(tpm, index, { byAuth: TPMA_NV.authWrite, byOwner: TPMA_NV.ownerWrite });
    const parameters = Buffer.concat([sized(content.subarray(offset, offset + most)), u16(offset)]);
    tpm.execute('NV_Write', { handles: [writer, index], parameters }).parameters.end();
  }
}

/** TPM2_NV_UndefineSpace; nothing happens where the index is not defined. */
export function undefineNv(tpm: Tpm, handle: number): void {
  const index = findNvIndex(tpm, handle);
  if (index) tpm.execute('NV_UndefineSpace', { handles: [tpm.owner, index] }).parameters.end();
}

function authority(tpm: Tpm, index: NvIndex, bits: { readonly byAuth: number; readonly byOwner: number }): Entity {
  if (index.attributes & bits.byAuth) return index;
  if (index.attributes & bits.byOwner) return tpm.owner;
  const found = `attributes ${hex32(index.attributes)}, which give access to neither its own authorisation nor the owner`;
  throw new KeysteadError('PermissionDenied', `NV index ${hex32(index.handle)}: found ${found}`);
}

function bufferBytes(tpm: Tpm): number {
  return properties(tpm, TPM_PT.nvBufferMax).get(TPM_PT.nvBufferMax) ?? SMALLEST_BUFFER;
}
