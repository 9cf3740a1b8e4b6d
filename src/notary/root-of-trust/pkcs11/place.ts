// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { Pkcs11Choice } from '../choice.ts';
import type { TokenChoice } from './token-choice.ts';
import { parsePkcs11Uri, type Pkcs11Uri } from './uri-parser.ts';

/** Where a token is, with all that was said in a URI. */
export interface Pkcs11Place {
  readonly library: string;
  readonly choice: TokenChoice;
  readonly pinFile: string;
}

/** Where the chart puts the PIN. */
const PIN_FILE = '/etc/keystead/pin/pin';

/** Throws InvalidConfiguration where no library is named, or something twice. */
export function pkcs11Place({ library, uri, pinFile, sealPin: _kept, ...choice }: Pkcs11Choice): Pkcs11Place {
  const named = uri === undefined ? {} : parsePkcs11Uri(uri);
  if (named.object !== undefined || named.id !== undefined || named.type !== undefined) {
    throw invalid(
      'uri: expected one that names a token, found one that names an object; leave object, id and type out',
    );
  }
  return {
    library: one('library', 'module-path', library, named.modulePath),
    choice: { ...choice, ...choiceOf(named) },
    pinFile:
      pinFile === undefined && named.pinFile === undefined
        ? PIN_FILE
        : one('pinFile', 'pin-source', pinFile, named.pinFile),
  };
}

function choiceOf({ token, serial, slotId, manufacturer, model }: Pkcs11Uri): TokenChoice {
  return {
    ...(token !== undefined && { tokenLabel: token }),
    ...(serial !== undefined && { tokenSerial: serial }),
    ...(slotId !== undefined && { slot: slotId }),
    ...(manufacturer !== undefined && { manufacturer }),
    ...(model !== undefined && { model }),
  };
}

function one(field: string, attribute: string, value: string | undefined, named: string | undefined): string {
  const found = value ?? named;
  if (found !== undefined && (value === undefined || named === undefined)) return found;
  const expected = `${field}, or ${attribute} in the uri, and not both`;
  throw invalid(`expected ${expected}, found ${found === undefined ? 'neither' : 'both'}`);
}

function invalid(message: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `configuration.rootOfTrust.pkcs11: ${message}`);
}
