// SPDX-License-Identifier: Apache-2.0
import { decodeKeyLedger, encodeKeyLedger } from '../../../src/notary/key-ledger.ts';
import { parsePkcs11Uri } from '../../../src/notary/root-of-trust/pkcs11/uri-parser.ts';
import { keyUri } from '../../../src/notary/root-of-trust/pkcs11/uri.ts';
import { contextOf, decodeKeyFile, encodeKeyFile } from '../../../src/notary/root-of-trust/software/key-file.ts';
import { Vault } from '../../../src/notary/root-of-trust/software/vault.ts';
import { PUBLIC_KEYS } from '../corpus/der.ts';
import { mutateJson } from '../mutations/json.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const URIS = [
  'pkcs11:token=My%20token;serial=01?module-path=/usr/lib/p11.so&pin-source=file:/etc/pin',
  'pkcs11:object=k:1;id=%00%25%FF;type=private;manufacturer=m;model=o;token=t;serial=1',
  'pkcs11:slot-id=7',
  'pkcs11:',
];
const WORDS = [
  'pkcs11:',
  ';',
  '&',
  '?',
  '=',
  '%',
  '%00',
  '%fF',
  'token=',
  'pin-value=1',
  'pin-source=',
  '|',
  '/../',
  'é',
];

const vault = new Vault(Buffer.alloc(32, 7));
const SECRET = Buffer.from('the secret part');
const [publicKey = Buffer.alloc(0)] = PUBLIC_KEYS;
const PAIR = { label: 'a', kind: 'KeyPair', origin: 'Generated', algorithm: 'EC-P256', publicKey } as const;
const MAC = { label: 'b', kind: 'Secret', origin: 'Imported' } as const;
const FILES: readonly unknown[] = [PAIR, MAC].map((file) =>
  encodeKeyFile({ ...file, sealed: vault.seal(SECRET, contextOf(file)) }),
);
const LEDGER: unknown = encodeKeyLedger([
  { label: 'a', kind: 'KeyPair', uri: 'u', algorithm: 'EC-P256', sensitive: true, extractable: false, created: 1 },
  { label: 'b', kind: 'Secret', uri: 'v', sensitive: true, extractable: false, lastUsed: 2 },
]);

/** What a URI says of a key, written again as we write it, is read as the same; and no PIN comes through. */
function readTwice(text: string): void {
  const read = parsePkcs11Uri(text);
  must(!/[?&]pin-value=/.test(text), 'a PIN is refused');
  const { token = 'x', manufacturer = 'x', model = 'x', serial = 'x', object = 'x', id = Buffer.alloc(0) } = read;
  const names = { token, manufacturer, model, serial, object, id };
  const again = parsePkcs11Uri(keyUri({ ...names, type: 'private' }));
  must(again.token === token && again.object === object && again.serial === serial, 'the same names');
  must(again.manufacturer === manufacturer && again.model === model && again.id?.equals(id) === true, 'the same key');
}

/** A file that was changed in any way that is read gives nothing of the secret. */
function unsealed(document: unknown): boolean {
  const file = decodeKeyFile(document);
  const secret = vault.unseal(file.sealed, contextOf(file));
  must(secret === undefined || secret.equals(SECRET), 'the secret or nothing');
  return secret !== undefined;
}

export const ROOT_TARGETS: readonly Target[] = [
  target({
    name: 'pkcs11-uri',
    weight: 4,
    corpus: URIS,
    mutate: (text, dice) => mutateText(text, dice, WORDS, URIS),
    read: readTwice,
  }),
  target({ name: 'software-key-file', weight: 2, corpus: FILES, mutate: mutateJson, read: unsealed }),
  target({ name: 'key-ledger', corpus: [LEDGER], mutate: mutateJson, read: decodeKeyLedger }),
];
