// SPDX-License-Identifier: Apache-2.0
import { againstPolicy } from './pod-policy.ts';
import type { ContainerEvidence, Evidence, PodEvidence, ProcessEvidence } from './port.ts';
import { failed, held, moduleContainer, moduleName, onlyModule, podName, type Finding, type Rule } from './rule.ts';

/** The process's cgroup and the container runtime name the same container of the same pod. */
export const containerKnown: Rule = {
  name: 'ContainerKnown',
  reason: 'ContainerUnknown',
  check({ container, process, phase }) {
    const found = phase === 'Running' ? disagreement(process, container) : undefined;
    if (found !== undefined) return found;
    if (container === undefined) {
      return failed('a container that the runtime knows', 'none', 'if it has just ended this passes by itself');
    }
    return held(`container ${container.name} (${short(container.id)}) of pod ${container.podUid}`);
  },
};

function disagreement(process?: ProcessEvidence, container?: ContainerEvidence): Finding | undefined {
  if (process === undefined) return failed('a process', 'none', 'this is a defect of Keystead, please report it');
  const remedy = 'only a process in a container of a pod of this node can be a module';
  if (process.containerId === undefined || process.podUid === undefined) {
    const problem = process.containerProblem ?? 'its cgroup names no container';
    return failed(`process ${process.pid} in one container`, `that ${problem}`, remedy);
  }
  if (container === undefined) {
    return failed(`container ${short(process.containerId)} known to the runtime`, 'that it is not', remedy);
  }
  if (container.id !== process.containerId) {
    return failed(`container ${short(container.id)}`, `the cgroup of container ${short(process.containerId)}`, remedy);
  }
  if (container.podUid !== process.podUid) {
    return failed(`pod ${container.podUid}`, `the cgroup of pod ${process.podUid}`, remedy);
  }
  if (container.pid !== undefined && process.init !== undefined && container.pid !== process.init) {
    const restarted = `first process ${process.init}`;
    return failed(`first process ${container.pid}`, restarted, 'the container has restarted; it is measured anew');
  }
  return undefined;
}

/** The pod is one of this node, lives, and shares neither processes nor the identity volume with others. */
export const podBound: Rule = {
  name: 'PodBound',
  reason: 'PodNotBound',
  check(evidence) {
    const { pod, container, node } = evidence;
    if (pod === undefined || container === undefined) {
      const found = `none with uid ${container?.podUid ?? 'unknown'}`;
      return failed(
        `a pod of node ${node}`,
        found,
        'it may have been deleted, or this node was cut off from the API server',
      );
    }
    return (
      misplaced(pod, container, node) ??
      leaving(evidence, pod) ??
      shared(evidence, pod) ??
      strangeContainer(evidence, pod, container) ??
      otherThanPolicy(evidence, pod) ??
      bound(pod, node)
    );
  },
};

function bound(pod: PodEvidence, node: string): Finding {
  const leaves = pod.deleting ? ', being deleted: it keeps what it has and gets nothing new' : '';
  return held(`pod ${podName(pod)} on node ${node}${leaves}`);
}

/** A module that is asked to end still needs its identity to say so to others; one that only starts then does not. */
function leaving({ phase }: Evidence, pod: PodEvidence): Finding | undefined {
  if (!pod.deleting || phase === 'Running') return undefined;
  const remedy = 'its successor gets an identity of its own';
  return failed(`pod ${podName(pod)} to stay`, 'that it is being deleted', remedy);
}

function misplaced(pod: PodEvidence, container: ContainerEvidence, node: string): Finding | undefined {
  if (pod.uid !== container.podUid) {
    return failed(
      `pod uid ${container.podUid}`,
      `pod ${podName(pod)} with uid ${pod.uid}`,
      'a new pod is measured anew',
    );
  }
  if (pod.node !== node) {
    const remedy = 'a pod gets its identity from the node that it runs on';
    return failed(`pod ${podName(pod)} on node ${node}`, `node ${pod.node || 'none'}`, remedy);
  }
  return undefined;
}

/** Without exactly one module there is no policy, and ModuleMatched fails. */
function otherThanPolicy(evidence: Evidence, pod: PodEvidence): Finding | undefined {
  const module = onlyModule(evidence);
  return module === undefined ? undefined : againstPolicy(pod, module);
}

function shared(evidence: Evidence, pod: PodEvidence): Finding | undefined {
  if (pod.hostPID) {
    const remedy = 'remove hostPID from the pod, which lets it look into the processes of the node';
    return failed(`pod ${podName(pod)} with processes of its own`, 'hostPID: true', remedy);
  }
  if (pod.shareProcessNamespace && onlyModule(evidence)?.pod.allowSharedProcesses !== true) {
    const remedy =
      'remove shareProcessNamespace from the pod, which lets its containers look into each other, or set pod.allowSharedProcessNamespace of its EdgeModule';
    return failed(`pod ${podName(pod)} with processes apart`, 'shareProcessNamespace: true', remedy);
  }
  const [ephemeral] = pod.ephemeralContainers;
  if (ephemeral !== undefined) {
    const remedy = 'delete the pod; a pod that was opened for debugging gets no identity until it is replaced';
    return failed(`pod ${podName(pod)} without ephemeral containers`, `ephemeral container ${ephemeral}`, remedy);
  }
  return undefined;
}

function strangeContainer(evidence: Evidence, pod: PodEvidence, container: ContainerEvidence): Finding | undefined {
  const names = [...pod.containers, ...pod.initContainers];
  if (!names.includes(container.name)) {
    const remedy = 'only containers of the pod spec get an identity';
    return failed(
      `a container of pod ${podName(pod)} (${names.join(', ')})`,
      container.name || 'one without name',
      remedy,
    );
  }
  const module = onlyModule(evidence);
  // Without exactly one module nobody can say which container may mount; ModuleMatched then fails.
  const owner = module === undefined ? undefined : moduleContainer(pod, module);
  const intruder = owner === undefined ? undefined : pod.mounting.find((name) => name !== owner);
  if (owner === undefined || intruder === undefined) return undefined;
  const remedy = `remove the volume mount from container ${intruder}, or name it in the EdgeModule's container field`;
  return failed(`the identity volume mounted by container ${owner} alone`, `container ${intruder}`, remedy);
}

/** Exactly one EdgeModule claims the pod, and this container is the one that it means. */
export const moduleMatched: Rule = {
  name: 'ModuleMatched',
  reason: 'ModuleUnknown',
  check(evidence) {
    const { modules, pod, container } = evidence;
    const [module] = modules;
    const name = pod === undefined ? 'the pod' : `pod ${podName(pod)}`;
    if (module === undefined || pod === undefined) {
      const remedy = 'create an EdgeModule in its namespace whose template or selector covers it';
      return failed(`an EdgeModule for ${name}`, 'none', remedy);
    }
    if (modules.length > 1) {
      const found = modules.map(moduleName).sort().join(', ');
      const remedy = 'narrow their selectors so that one remains';
      return {
        ...failed(`one EdgeModule for ${name}`, `${modules.length}: ${found}`, remedy),
        reason: 'ModuleAmbiguous',
      };
    }
    if (module.namespace !== pod.namespace) {
      const found = `EdgeModule ${moduleName(module)}`;
      return failed(`an EdgeModule in namespace ${pod.namespace}`, found, 'create it in the namespace of the pod');
    }
    const expected = moduleContainer(pod, module);
    if (container?.name !== expected) {
      const remedy = 'set the container field of the EdgeModule if another container is the module';
      return failed(`container ${expected ?? ''} of ${name}`, `container ${container?.name ?? ''}`, remedy);
    }
    return held(`EdgeModule ${moduleName(module)}, container ${expected ?? ''}`);
  },
};

function short(id: string): string {
  return id.slice(0, 12);
}
