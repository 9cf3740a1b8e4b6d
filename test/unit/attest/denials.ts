// SPDX-License-Identifier: Apache-2.0
import type { DenialReason, Evidence } from '../../../src/attest/port.ts';
import { digest, evidence, HASH, mapped, mapping, policy, processWithout, without } from './evidence.ts';

/** Evidence that differs in one point from evidence that is allowed: which rule refuses it, and a part of the message. */
export interface Denial {
  readonly what: string;
  readonly denied: Evidence;
  readonly message: string;
}

const OTHER_HASH = 'cd'.repeat(32);

/** By rule, in the order of the rules. */
export const DENIALS: readonly {
  readonly rule: string;
  readonly reason: DenialReason;
  readonly cases: readonly Denial[];
}[] = [
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
      denial('a process that has ended', without('process'), 'one that has ended'),
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
    rule: 'ExecutableAllowed',
    reason: 'ExecutableNotAllowed',
    cases: [
      denial(
        'another executable',
        evidence({ process: { executable: { path: '/app/press', sha256: OTHER_HASH } } }),
        `expected executable /app/press ${HASH}, found /app/press ${OTHER_HASH}`,
      ),
      denial(
        'the executable at another path',
        evidence({ process: { executable: { path: '/tmp/press', sha256: HASH } } }),
        `expected it at /app/press, found executable ${HASH} at /tmp/press`,
      ),
      denial(
        'an executable that could not be hashed',
        evidence({ process: { executable: { path: '/app/press', sha256: '', problem: 'it is too large' } } }),
        'found /app/press, whose hash could not be taken: it is too large',
      ),
      denial(
        'an executable without hash where the policy has an empty one',
        evidence({
          process: { executable: { path: '/app/press', sha256: '' } },
          policy: { executables: [{ sha256: '' }] },
        }),
        'unknown cause',
      ),
    ],
  },
  {
    rule: 'CodeFromImage',
    reason: 'CodeNotFromImage',
    cases: [
      denial(
        'a dropped file',
        mapping('writable', '/tmp/x.so'),
        'expected all code from the image, found /tmp/x.so from writable; put it into the image: code that was written',
      ),
      denial(
        'a library of a volume',
        mapping('foreign', '/data/x.so', 'device 0:50'),
        'found /data/x.so from foreign (device 0:50); put it into the image: code on volumes',
      ),
      denial('a deleted library', mapping('deleted', '/lib/x.so'), 'from deleted; restart the pod'),
      denial('a memfd', mapping('anonymous', '/memfd:x'), 'from anonymous; run it from a file of the image'),
      denial(
        'a root file system without layers',
        mapping('unprovable', '/app/x'),
        'from unprovable; use the overlayfs snapshotter',
      ),
      denial('no code at all', evidence({ process: { mappings: [] } }), 'found no code at all'),
    ],
  },
  {
    rule: 'Credentials',
    reason: 'CredentialsMismatch',
    cases: [
      denial(
        'mixed ids',
        evidence({ process: { mixedIds: true } }),
        'expected equal real, effective, saved and file system ids',
      ),
      denial('another uid', evidence({ process: { uid: 0 } }), 'expected uid 1000, found uid 0; set runAsUser'),
      denial('another gid', evidence({ process: { gid: 0 } }), 'expected gid 2000, found gid 0'),
      denial(
        'a user namespace that the module made',
        evidence({ process: { ownNamespaces: ['user'] } }),
        'do not make user namespaces in the module',
      ),
      denial('an id that the container does not have', mapped(999), 'found uid outside of the container'),
      denial('an id right after those of the container', mapped(100000 + 65536), 'found uid outside of the container'),
      denial('the uid of the host in a container with its own ids', mapped(1000), 'found uid outside of the container'),
      denial('another id of the container', mapped(101001), 'found uid 1001'),
    ],
  },
];

function denial(what: string, denied: Evidence, message: string): Denial {
  return { what, denied, message };
}
