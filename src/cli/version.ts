// SPDX-License-Identifier: Apache-2.0
import { EXIT, type Command } from './command.ts';

export const version: Command = {
  name: 'version',
  summary: 'Prints the version of this program',
  options: {},
  run({ terminal, version: own }) {
    terminal.out(`keystead ${own}`);
    return Promise.resolve(EXIT.Ok);
  },
};
