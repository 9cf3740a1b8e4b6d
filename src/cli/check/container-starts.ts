// SPDX-License-Identifier: Apache-2.0
import { allOr, warn, type InstallationCheck } from './port.ts';

export const containerStarts: InstallationCheck = {
  name: 'NRI',
  async run({ devices }) {
    const remedy =
      'identities come milliseconds after the start: switch NRI on in containerd (2.0 and newer have it on) and set runtime.nriSocket';
    const unheld = (await devices())
      .filter(({ status }) => status?.platform?.containerStarts === 'TaskEvents')
      .map(({ metadata }) => warn(`device ${metadata.name ?? ''}: starts are not held`, remedy));
    return allOr(unheld, 'starts are held until the identity is there');
  },
};
