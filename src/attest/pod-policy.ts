// SPDX-License-Identifier: Apache-2.0
import type { ModulePolicy, PodEvidence } from './port.ts';
import {
  failed,
  held,
  moduleContainer,
  moduleName,
  onlyModule,
  podName,
  unknown,
  type Finding,
  type Rule,
} from './rule.ts';

/**
 * The pod of a template module is made by the workload that Keystead has made for it. Labels can be written by anybody
 * who may create pods; the chain of owners leads to the EdgeModule's own uid. Who forges that chain as well, or may
 * write workloads, makes a pod that the other rules still hold to the template's image, command and account.
 */
export const podOwned: Rule = {
  name: 'PodOwned',
  reason: 'PodNotOwned',
  check(evidence) {
    const module = onlyModule(evidence);
    const { pod } = evidence;
    if (module === undefined || pod === undefined) return unknown('the owners of a pod');
    if (!module.pod.owned) return held(`EdgeModule ${moduleName(module)} takes pods of any owner by its selector`);
    // Never the first: Keystead owns workloads, and they own pods.
    const owner = pod.owners?.findIndex(({ uid, kind }) => kind === 'EdgeModule' && uid === module.uid) ?? -1;
    const chain = (pod.owners ?? []).map(({ kind, name }) => `${kind} ${name}`).join(' of ');
    if (owner > 0) return held(chain);
    const found = chain === '' ? 'a pod that nothing owns' : `one of ${chain}`;
    const remedy = `only pods of the workload that Keystead makes for EdgeModule ${moduleName(module)} are the module: delete this one`;
    return failed(`pod ${podName(pod)} owned by EdgeModule ${moduleName(module)}`, found, remedy);
  },
};

/** What a module's policy demands of the pod as a whole; undefined where all of it holds. */
export function againstPolicy(pod: PodEvidence, module: ModulePolicy): Finding | undefined {
  return otherAccount(pod, module) ?? privileged(pod, module);
}

function otherAccount(pod: PodEvidence, module: ModulePolicy): Finding | undefined {
  const { serviceAccount } = module.pod;
  if (serviceAccount === undefined || serviceAccount === pod.serviceAccount) return undefined;
  const remedy = `set serviceAccountName of the pod, or correct EdgeModule ${moduleName(module)}`;
  return failed(`pod ${podName(pod)} with service account ${serviceAccount}`, pod.serviceAccount, remedy);
}

/** A privileged neighbour in the pod can reach into the module as well. */
function privileged(pod: PodEvidence, module: ModulePolicy): Finding | undefined {
  const [name] = pod.privileged;
  if (name === undefined || module.pod.allowPrivileged) return undefined;
  const what = name === moduleContainer(pod, module) ? 'the module container' : `container ${name}`;
  const remedy = `name the capabilities or devices that it needs, or set pod.allowPrivileged of EdgeModule ${moduleName(module)}`;
  return failed(`pod ${podName(pod)} without privileged containers`, `${what} privileged`, remedy);
}
