// SPDX-License-Identifier: Apache-2.0
import { failed, held, type Rule } from './rule.ts';

/** The node booted what its EdgeDevice expects, where measured boot is enforced. Of what runs on another nothing is believed. */
export const nodeTrusted: Rule = {
  name: 'NodeTrusted',
  reason: 'NodeNotTrusted',
  check({ node, integrity }) {
    switch (integrity?.standing) {
      case undefined:
        return held(`measured boot is not enforced on node ${node}`);
      case 'Verified':
        return held(`the measured boot of node ${node} is verified`);
      case 'Pending':
        return {
          outcome: 'Skipped',
          message: `nothing new is issued until the measured boot of node ${node} is verified: ${integrity.message}`,
        };
      case 'Refused': {
        const remedy = `see the condition IntegrityVerified of EdgeDevice ${node}`;
        return failed(`node ${node} to have booted what its EdgeDevice expects`, integrity.message, remedy);
      }
    }
  },
};
