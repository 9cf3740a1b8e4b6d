// SPDX-License-Identifier: Apache-2.0
import type { Evidence, ProcessEvidence } from './port.ts';
import { failed, held, moduleName, onlyModule, unknown, type Rule } from './rule.ts';

/** The process is one of the systemd unit that the module of the host names, and of no container. */
export const unitMatched: Rule = {
  name: 'UnitMatched',
  reason: 'UnitMismatch',
  check(evidence: Evidence) {
    const module = onlyModule(evidence);
    const { process, node } = evidence;
    if (module?.host === undefined || process === undefined) return unknown('a unit');
    const { unit } = module.host;
    if (process.unit === unit && process.containerId === undefined) return held(`process of ${unit} on node ${node}`);
    const remedy = `only what systemd starts in ${unit} is EdgeModule ${moduleName(module)}: call from there, or correct host.unit`;
    return failed(`a process of ${unit} on node ${node}`, `one of ${placeOf(process)}`, remedy);
  },
};

function placeOf({ containerId, podUid, unit }: ProcessEvidence): string {
  if (containerId !== undefined) return `container ${containerId.slice(0, 12)} of pod ${podUid ?? 'unknown'}`;
  return unit ?? 'no unit';
}
