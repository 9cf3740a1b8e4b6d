// SPDX-License-Identifier: Apache-2.0
import type { ModulePolicy } from './port.ts';
import { failed, held, moduleName, onlyModule, unknown, type Rule } from './rule.ts';

/** The module's declaration counts now: within its times, and not older than it may become without the API server. */
export const policyWindow: Rule = {
  name: 'PolicyWindow',
  reason: 'PolicyOutOfTime',
  check(evidence) {
    const module = onlyModule(evidence);
    if (module === undefined) return unknown('the times of a policy');
    const { notBefore, notAfter, maxStalenessMs } = module.window;
    if (Object.values(module.window).every((bound) => bound === undefined)) {
      return held('at any time, with the API server and without');
    }
    if (evidence.moment === undefined) return unknown('the time of a measurement');
    const { now, staleMs } = evidence.moment;
    const remedy = `correct window of EdgeModule ${moduleName(module)}, or the node's clock`;
    if (notBefore !== undefined && now < notBefore) {
      return failed(`a time from ${time(notBefore)} on`, time(now), remedy);
    }
    if (notAfter !== undefined && now >= notAfter) return failed(`a time before ${time(notAfter)}`, time(now), remedy);
    if (maxStalenessMs !== undefined && staleMs > maxStalenessMs) {
      const found = `that it has been out of reach for ${Math.floor(staleMs / 1000)} s`;
      const bound = `the API server heard from within ${maxStalenessMs / 1000} s`;
      return failed(bound, found, 'connect the node to its API server; it passes by itself');
    }
    return held(allowedTimes(module));
  },
};

function allowedTimes({ window }: ModulePolicy): string {
  const { notBefore, notAfter, maxStalenessMs } = window;
  const parts = [
    notBefore === undefined ? '' : `from ${time(notBefore)}`,
    notAfter === undefined ? '' : `until ${time(notAfter)}`,
    maxStalenessMs === undefined ? '' : `at most ${maxStalenessMs / 1000} s without the API server`,
  ].filter((part) => part !== '');
  return parts.join(', ');
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
