// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import pkcs11js from 'pkcs11js';

/** What the init containers of the node DaemonSet run: they prepare the notary's folder and, for tests, its token. */
const USAGE = `usage: node-init state-dir <uid> <gid> <folder>...
       node-init software-token <PKCS#11 library> <token folder> <label> <PIN file>
       node-init passphrase <file>`;

/**
 * Gives a folder to the notary alone. A hostPath belongs to root and fsGroup does not reach it, so this one step runs as
 * root. Only the folder itself is changed: what lies in it was written by the notary.
 */
export function prepareStateDir(folder: string, uid: number, gid: number): void {
  mkdirSync(folder, { recursive: true });
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o700);
}

/**
 * Makes the software token with this label unless it is there. A missing PIN file is written with a random PIN. The PIN
 * goes to the token through PKCS#11, never through a command line, where every process of the node could read it. The
 * security officer's PIN is random and forgotten: SoftHSM does not lock PINs, and nobody else needs it.
 */
export function prepareSoftwareToken(
  library: string,
  tokenDir: string,
  label: string,
  pinFile: string,
): 'made' | 'present' {
  mkdirSync(tokenDir, { recursive: true, mode: 0o700 });
  const pin = readOrMakePin(pinFile);
  const module = new pkcs11js.PKCS11();
  module.load(library);
  module.C_Initialize();
  try {
    const slots = module.C_GetSlotList(true);
    if (slots.some((slot) => labelOf(module, slot) === label)) return 'present';
    // SoftHSM always offers one more slot, with a token that is not yet initialized.
    const free = slots.find((slot) => (module.C_GetTokenInfo(slot).flags & pkcs11js.CKF_TOKEN_INITIALIZED) === 0);
    if (!free) throw new Error(`${library} offers no slot for a new token; is it SoftHSM2?`);
    const officerPin = randomBytes(16).toString('hex');
    module.C_InitToken(free, officerPin, label.padEnd(32));
    const session = module.C_OpenSession(free, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
    module.C_Login(session, pkcs11js.CKU_SO, officerPin);
    module.C_InitPIN(session, pin);
    return 'made';
  } finally {
    module.C_Finalize();
  }
}

/** A label has 32 bytes: PKCS#11 fills it up with blanks, a token made through pkcs11js with zero bytes. */
function labelOf(module: pkcs11js.PKCS11, slot: pkcs11js.Handle): string {
  return module.C_GetTokenInfo(slot).label.replace(/[\0 ]+$/, '');
}

function readOrMakePin(file: string): string {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, randomBytes(16).toString('hex'), { mode: 0o400, flag: 'wx' });
  }
  return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
}

function main([command, ...args]: readonly string[]): void {
  if (command === 'state-dir' && args.length >= 3) {
    const [uid, gid, ...folders] = args;
    for (const folder of folders) prepareStateDir(folder, Number(uid), Number(gid));
    console.log(`${folders.join(' and ')} belong to ${String(uid)}:${String(gid)}`);
  } else if (command === 'software-token' && args.length === 4) {
    const [library = '', folder = '', label = '', pinFile = ''] = args;
    const outcome = prepareSoftwareToken(library, folder, label, pinFile);
    console.log(
      `software token ${label}: ${outcome}. Its keys lie in files on this node: for tests and demonstrations only`,
    );
  } else if (command === 'passphrase' && args.length === 1) {
    readOrMakePin(args[0] ?? '');
    console.log('software keys lie in files on this node, under a passphrase that lies beside them');
  } else {
    console.error(USAGE);
    process.exitCode = 2;
  }
}

if (import.meta.main) main(process.argv.slice(2));
