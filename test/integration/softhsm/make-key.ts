// SPDX-License-Identifier: Apache-2.0
/**
 * Makes a P-256 key pair on a token that may be extracted: `node make-key.ts <library> <label of the key>`, on the one
 * token that SOFTHSM2_CONF has. What somebody would do who plants a key that he knows.
 */
import pkcs11js from 'pkcs11js';

const [library = '', label = ''] = process.argv.slice(2);
const module = new pkcs11js.PKCS11();
module.load(library);
module.C_Initialize();
const [slot] = module.C_GetSlotList(true);
if (!slot) throw new Error('no token');
const session = module.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
module.C_Login(session, pkcs11js.CKU_USER, '1234');
const common = [
  { type: pkcs11js.CKA_TOKEN, value: true },
  { type: pkcs11js.CKA_LABEL, value: label },
  { type: pkcs11js.CKA_ID, value: Buffer.of(1) },
];
module.C_GenerateKeyPair(
  session,
  { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
  [...common, { type: pkcs11js.CKA_EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') }],
  [
    ...common,
    { type: pkcs11js.CKA_PRIVATE, value: true },
    { type: pkcs11js.CKA_SENSITIVE, value: false },
    { type: pkcs11js.CKA_EXTRACTABLE, value: true },
    { type: pkcs11js.CKA_SIGN, value: true },
  ],
);
module.C_Finalize();
