// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { SlotToken } from './library.ts';

/** Which token is meant. All that is given must match; where nothing is given there must be just one token. */
export interface TokenChoice {
  readonly tokenLabel?: string;
  readonly tokenSerial?: string;
  readonly slot?: number;
  readonly manufacturer?: string;
  readonly model?: string;
}

type Listed = Pick<SlotToken, 'label' | 'serial' | 'slotNumber' | 'manufacturer' | 'model'>;

/** The one token that matches. Throws TokenAbsent (none) or InvalidConfiguration (several), listing what is there. */
export function chooseToken<T extends Listed>(tokens: readonly T[], choice: TokenChoice): T {
  const matching = tokens.filter((token) => matches(token, choice));
  const [found, second] = matching;
  if (!found) {
    const remedy = 'plug it in or correct the label, serial or slot; the notary keeps looking';
    throw new KeysteadError('TokenAbsent', `no token with ${describe(choice)}; found ${list(tokens)}; ${remedy}`);
  }
  if (second) {
    const remedy = 'say which one by its serial';
    throw new KeysteadError(
      'InvalidConfiguration',
      `expected one token with ${describe(choice)}, found ${list(matching)}; ${remedy}`,
    );
  }
  return found;
}

function matches(token: Listed, choice: TokenChoice): boolean {
  return (
    (choice.tokenLabel === undefined || choice.tokenLabel === token.label) &&
    (choice.tokenSerial === undefined || choice.tokenSerial === token.serial) &&
    (choice.slot === undefined || choice.slot === token.slotNumber) &&
    (choice.manufacturer === undefined || choice.manufacturer === token.manufacturer) &&
    (choice.model === undefined || choice.model === token.model)
  );
}

function describe(choice: TokenChoice): string {
  const parts = [
    choice.tokenLabel === undefined ? [] : [`label ${JSON.stringify(choice.tokenLabel)}`],
    choice.tokenSerial === undefined ? [] : [`serial ${choice.tokenSerial}`],
    choice.slot === undefined ? [] : [`slot ${choice.slot}`],
    choice.manufacturer === undefined ? [] : [`manufacturer ${JSON.stringify(choice.manufacturer)}`],
    choice.model === undefined ? [] : [`model ${JSON.stringify(choice.model)}`],
  ].flat();
  return parts.length === 0 ? 'any label' : parts.join(' and ');
}

function list(tokens: readonly Listed[]): string {
  if (tokens.length === 0) return 'no token at all';
  return tokens
    .map((token) => `${JSON.stringify(token.label)} (serial ${token.serial}, slot ${token.slotNumber})`)
    .join(', ');
}
