// SPDX-License-Identifier: Apache-2.0
import type { Evidence } from '../../../src/attest/port.ts';
import { denial, type Denials } from './denial.ts';
import { digest, evidence, policy, processWithout, without } from './evidence.ts';

/** By rule, in the order of the rules. */
export const POD_DENIALS: readonly Denials[] = [
  {
    rule: 'CallerAlive',
    reason: 'CallerGone',
    cases: [denial('a process that has ended', without('process'), 'one that has ended')],
  },
  {
    rule: 'NodeTrusted',
    reason: 'NodeNotTrusted',
    cases: [
      denial(
        'a process of a node whose boot was refused',
        { ...evidence(), integrity: { standing: 'Refused', message: 'PcrMismatch: PCR 7' } },
        'found PcrMismatch: PCR 7; see the condition IntegrityVerified of EdgeDevice edge-1',
      ),
    ],
  },
  {
    rule: 'ContainerKnown',
    reason: 'ContainerUnknown',
    cases: [
      denial(
        'a container that the runtime does not know',
        without('container'),
        'expected container fbfbfbfbfbfb known to the runtime',
      ),
      denial(
        'a process of the host',
        processWithout('containerId', { containerProblem: 'it is in no container of a pod (cgroup /user.slice)' }),
        'expected process 42 in one container, found that it is in no container of a pod (cgroup /user.slice); only a process in a container',
      ),
      denial('a process without pod', processWithout('podUid', {}), 'its cgroup names no container'),
      denial(
        'a process of another container',
        evidence({ process: { containerId: '9'.repeat(64) } }),
        'found the cgroup of container 999999999999',
      ),
      denial('a process of another pod', evidence({ process: { podUid: 'other' } }), 'found the cgroup of pod other'),
      denial(
        'a process of the container before its restart',
        evidence({ process: { init: 41 } }),
        'expected first process 42, found first process 41',
      ),
    ],
  },
  {
    rule: 'SocketOwner',
    reason: 'SocketNotOwned',
    cases: [
      denial(
        "a call on a neighbour's socket",
        evidence({ call: { podUid: 'neighbour' } }),
        'expected a process of pod neighbour, whose socket it is, found one of pod ce23',
      ),
    ],
  },
  {
    rule: 'PodBound',
    reason: 'PodNotBound',
    cases: [
      denial('no pod', without('pod'), 'expected a pod of node edge-1, found none with uid ce23'),
      denial(
        'a pod of the same name and another uid',
        evidence({ pod: { uid: 'new' } }),
        'found pod plant/press-7 with uid new',
      ),
      denial('a pod of another node', evidence({ pod: { node: 'edge-2' } }), 'found node edge-2'),
      denial('a pod of no node', evidence({ pod: { node: '' } }), 'found node none'),
      denial(
        'a container that starts in a pod that is being deleted',
        { ...without('process', evidence({ pod: { deleting: true } })), phase: 'Starting' },
        'that it is being deleted; its successor',
      ),
      denial('a pod with hostPID', evidence({ pod: { hostPID: true } }), 'found hostPID: true; remove hostPID'),
      denial(
        'a pod with shared processes',
        evidence({ pod: { shareProcessNamespace: true } }),
        'found shareProcessNamespace: true; remove',
      ),
      denial(
        'a pod opened for debugging',
        evidence({ pod: { ephemeralContainers: ['debugger'] } }),
        'found ephemeral container debugger',
      ),
      denial(
        'an ephemeral container',
        evidence({ pod: { ephemeralContainers: ['debugger'] }, container: { name: 'debugger' } }),
        'found ephemeral container debugger',
      ),
      denial(
        'a container that is not in the pod spec',
        evidence({ container: { name: 'injected' } }),
        'expected a container of pod plant/press-7 (main, sidecar, setup), found injected',
      ),
      denial(
        'an identity volume in another container too',
        evidence({ pod: { mounting: ['main', 'sidecar'] } }),
        'expected the identity volume mounted by container main alone, found container sidecar; remove',
      ),
      denial(
        'another service account',
        evidence({ pod: { serviceAccount: 'default' } }),
        'expected pod plant/press-7 with service account press, found default; set serviceAccountName',
      ),
      denial(
        'a privileged module',
        evidence({ pod: { privileged: ['main'] } }),
        'found the module container privileged; name the capabilities',
      ),
      denial(
        'a privileged neighbour',
        evidence({ pod: { privileged: ['sidecar'] } }),
        'found container sidecar privileged',
      ),
      denial(
        'an identity volume in an init container',
        evidence({ pod: { mounting: ['setup'] } }),
        'found container setup',
      ),
    ],
  },
  {
    rule: 'ModuleMatched',
    reason: 'ModuleUnknown',
    cases: [
      denial(
        'no module',
        { ...evidence(), modules: [] },
        'expected an EdgeModule for pod plant/press-7, found none; create',
      ),
      denial(
        'a module of another namespace',
        evidence({ policy: { namespace: 'office' } }),
        'expected an EdgeModule in namespace plant, found EdgeModule office/press',
      ),
      denial(
        'a sidecar',
        evidence({ container: { name: 'sidecar' } }),
        'expected container main of pod plant/press-7, found container sidecar',
      ),
      denial(
        'the first container where the policy names another',
        evidence({ pod: { mounting: [] }, policy: { container: 'sidecar' } }),
        'expected container sidecar',
      ),
    ],
  },
  {
    rule: 'ModuleMatched',
    reason: 'ModuleAmbiguous',
    cases: [
      denial(
        'two modules',
        { ...evidence(), modules: [policy, { ...policy, name: 'all' }] },
        'expected one EdgeModule for pod plant/press-7, found 2: plant/all, plant/press; narrow',
      ),
    ],
  },
  {
    rule: 'ImageDigest',
    reason: 'ImageDigestMismatch',
    cases: [
      denial(
        'another image',
        evidence({ policy: { digests: [digest('8'), digest('9')] } }),
        `expected image digest ${digest('8')} or ${digest('9')}, found registry/press:7 with index ${digest('1')}, manifest ${digest('2')}, config ${digest('3')}; deploy the allowed image, or add a digest to EdgeModule plant/press`,
      ),
      denial(
        'a module without digests',
        evidence({ policy: { digests: [] } }),
        'EdgeModule plant/press allows no digest: pin its image',
      ),
      denial(
        'a digest that only starts alike',
        evidence({ policy: { digests: [digest('2').slice(0, -1)] } }),
        'expected image digest',
      ),
    ],
  },
  {
    rule: 'ImageSignature',
    reason: 'ImageNotSigned',
    cases: [
      denial(
        'an image without a signature that counts',
        evidence({ signature: { verified: false, message: 'no signature for sha256:11' } }),
        'expected a signature by key release or me@id, found no signature for sha256:11; sign the image (cosign sign), or correct signers of EdgeModule plant/press',
      ),
      denial(
        'signatures that nobody looked at',
        Object.fromEntries(Object.entries(evidence()).filter(([name]) => name !== 'signature')) as unknown as Evidence,
        'found signatures that were not looked at',
      ),
    ],
  },
  {
    rule: 'PodOwned',
    reason: 'PodNotOwned',
    cases: [
      denial(
        'a pod that only has the labels',
        evidence({ pod: { owners: [] } }),
        'expected pod plant/press-7 owned by EdgeModule plant/press, found a pod that nothing owns; only pods of',
      ),
      denial(
        'a pod of another workload',
        evidence({ pod: { owners: [{ kind: 'ReplicaSet', name: 'other', uid: 'x' }] } }),
        'found one of ReplicaSet other',
      ),
      denial(
        'a module of the same name that was made anew',
        evidence({ policy: { uid: 'new' } }),
        'found one of ReplicaSet press-7d of Deployment press of EdgeModule press',
      ),
      denial(
        'a pod that names the module as its owner itself',
        evidence({ pod: { owners: [{ kind: 'EdgeModule', name: 'press', uid: policy.uid }] } }),
        'found one of EdgeModule press',
      ),
    ],
  },
];
