// SPDX-License-Identifier: Apache-2.0
import { unmet } from './device-conditions.ts';
import { allOr, type InstallationCheck } from './port.ts';

export const clock: InstallationCheck = {
  name: 'clocks',
  async run({ devices }) {
    const remedy = 'set the clock of the node, and keep it by NTP or chrony: certificates are only good at their time';
    return allOr(unmet(await devices(), 'ClockSynchronized', remedy), 'agree with the API server');
  },
};
