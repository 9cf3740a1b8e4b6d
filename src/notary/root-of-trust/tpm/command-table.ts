// SPDX-License-Identifier: Apache-2.0

/** How one command is framed (TPM 2.0 Library, Part 3, the table "Command" and "Response" of each command). */
export interface CommandShape {
  /** TPM_CC (Part 2, 6.5.2). */
  readonly code: number;
  /** Handles before the authorisation area; the first `auths` of them need an authorisation, in this order. */
  readonly handles: number;
  readonly auths: number;
  /** A handle stands before the parameters of the response. */
  readonly returnsHandle: boolean;
  /** The first parameter is a TPM2B and may be encrypted (Part 1, 21): of the command `c`, of the response `r`. */
  readonly encryptable: '' | 'c' | 'r' | 'cr';
}

const shape = (
  code: number,
  [handles, auths]: readonly [number, number],
  encryptable: CommandShape['encryptable'] = '',
  returnsHandle = false,
): CommandShape => ({ code, handles, auths, returnsHandle, encryptable });

/** All commands that Keystead speaks, by the name of the TCG without `TPM2_`. */
export const COMMANDS = {
  EvictControl: shape(0x120, [2, 1]),
  Clear: shape(0x126, [1, 1]),
  HierarchyChangeAuth: shape(0x129, [1, 1], 'c'),
  NV_DefineSpace: shape(0x12a, [1, 1], 'c'),
  CreatePrimary: shape(0x131, [1, 1], 'cr', true),
  NV_UndefineSpace: shape(0x122, [2, 1]),
  NV_Write: shape(0x137, [2, 1], 'c'),
  DictionaryAttackLockReset: shape(0x139, [1, 1]),
  DictionaryAttackParameters: shape(0x13a, [1, 1]),
  PCR_Reset: shape(0x13d, [1, 1]),
  SequenceComplete: shape(0x13e, [1, 1], 'cr'),
  ActivateCredential: shape(0x147, [2, 2], 'cr'),
  Certify: shape(0x148, [2, 2], 'cr'),
  CertifyCreation: shape(0x14a, [2, 1], 'cr'),
  NV_Read: shape(0x14e, [2, 1], 'r'),
  PolicySecret: shape(0x151, [2, 1], 'cr'),
  Create: shape(0x153, [1, 1], 'cr'),
  HMAC: shape(0x155, [1, 1], 'cr'),
  Import: shape(0x156, [1, 1], 'cr'),
  Load: shape(0x157, [1, 1], 'cr', true),
  Quote: shape(0x158, [1, 1], 'cr'),
  HMAC_Start: shape(0x15b, [1, 1], 'c', true),
  SequenceUpdate: shape(0x15c, [1, 1], 'c'),
  Sign: shape(0x15d, [1, 1], 'c'),
  Unseal: shape(0x15e, [1, 1], 'r'),
  ContextLoad: shape(0x161, [0, 0], '', true),
  ContextSave: shape(0x162, [1, 0]),
  FlushContext: shape(0x165, [0, 0]),
  LoadExternal: shape(0x167, [0, 0], 'cr', true),
  NV_ReadPublic: shape(0x169, [1, 0], 'r'),
  ReadPublic: shape(0x173, [1, 0], 'r'),
  StartAuthSession: shape(0x176, [2, 0], 'cr', true),
  GetCapability: shape(0x17a, [0, 0]),
  GetRandom: shape(0x17b, [0, 0], 'r'),
  PCR_Read: shape(0x17e, [0, 0]),
  PolicyPCR: shape(0x17f, [1, 0], 'c'),
  PCR_Extend: shape(0x182, [1, 1]),
  TestParms: shape(0x18a, [0, 0]),
  PolicyGetDigest: shape(0x189, [1, 0], 'r'),
} as const satisfies Record<string, CommandShape>;

export type CommandName = keyof typeof COMMANDS;
