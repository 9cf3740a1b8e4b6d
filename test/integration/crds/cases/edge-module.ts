// SPDX-License-Identifier: Apache-2.0
import { mergePatch, type Json, type JsonObject } from '../merge-patch.ts';
import { casesOf, DIGEST } from './case.ts';

const PINNED = `registry.example.org/a@${DIGEST}`;
const template = (patch: Json): JsonObject => ({ spec: { template: patch } });
const pod = (patch: JsonObject): JsonObject => template({ pod: { spec: patch } });
const containers = (...list: readonly JsonObject[]): JsonObject => pod({ containers: list });
const images = (...list: readonly JsonObject[]): JsonObject => ({ spec: { images: list } });
const process = (patch: JsonObject): JsonObject => ({ spec: { process: patch } });
const window = (patch: JsonObject): JsonObject => ({ spec: { window: patch } });
const executable = (sha256: Json, path: Json = '/a'): JsonObject => process({ executables: [{ path, sha256 }] });
const selector = (patch: Json): JsonObject => ({ spec: { selector: patch } });
const expression = (...list: readonly JsonObject[]): JsonObject => selector({ matchExpressions: list });

export const invalidModules = [
  ...casesOf('edge-module', [
    ['a name that is no label', { metadata: { name: 'line.4' } }, "at most 63 lower-case letters, digits and '-'"],
    ['an unknown startPolicy', { spec: { startPolicy: 'Maybe' } }, 'supported values: "Wait", "Immediate", "Require"'],
    ['a name too long for a label', { metadata: { name: 'a'.repeat(64) } }, 'choose a shorter name without dots'],
    ['signers that name nobody', { spec: { signers: {} } }, 'signers must name somebody'],
    [
      'a key that is no PEM',
      { spec: { signers: { keys: [{ name: 'a', publicKey: 'MFkw' }] } } },
      'publicKey must be one public key in PEM',
    ],
    [
      'an issuer without TLS',
      { spec: { signers: { identities: [{ issuer: 'http://issuer', subject: 'a' }] } } },
      'issuer must be the https:// URL',
    ],
    ['neither template nor selector', template(null), 'exactly one of: template'],
    ['both template and selector', selector({ matchLabels: { app: 'a' } }), 'exactly one of: template'],
    ['an unknown workload', template({ kind: 'StatefulSet' }), 'supported values: "Deployment", "DaemonSet"'],
    ['a DaemonSet with replicas', template({ kind: 'DaemonSet', replicas: 2 }), 'replicas is for a Deployment only'],
    ['fewer replicas than none', template({ replicas: -1 }), 'replicas in body should be greater than or equal to 0'],
    ['a template without pod', template({ pod: null }), 'spec.template.pod: Required value'],
    ['a pod without spec', template({ pod: { spec: null } }), 'spec.template.pod.spec: Required value'],
    ['a pod without containers', pod({ containers: [] }), 'containers in body should have at least 1 items'],
    ['a container without image', containers({ name: 'a' }), 'containers[0].image: Required value'],
    ['a container without name', containers({ image: PINNED }), 'containers[0].name: Required value'],
    [
      'two containers of one name',
      containers({ name: 'a', image: PINNED }, { name: 'a', image: PINNED }),
      'containers[1]: Duplicate value',
    ],
    ['an image by tag only', containers({ name: 'a', image: 'a:1' }), 'every image must be pinned: append @sha256:'],
    ['an image with half a digest', containers({ name: 'a', image: 'a@sha256:1111' }), 'every image must be pinned'],
    [
      'an image by tag whose digest is given for another tag',
      mergePatch(containers({ name: 'a', image: 'a:1' }), images({ digest: DIGEST, name: 'a:2' })) as JsonObject,
      'every image must be pinned',
    ],
    [
      'an init container by tag only',
      pod({ initContainers: [{ name: 'b', image: 'b:1' }] }),
      'spec.template.pod.spec.initContainers: Invalid value: every image must be pinned',
    ],
    ["the host's processes", pod({ hostPID: true }), 'hostPID must not be true'],
    ['processes shared in the pod', pod({ shareProcessNamespace: true }), 'shareProcessNamespace must not be true'],
    ['a pod that ends', pod({ restartPolicy: 'Never' }), 'restartPolicy must be Always, or be left out'],
    [
      'a label that Keystead sets',
      template({ pod: { metadata: { labels: { 'keystead.dev/module': 'other' } } } }),
      'labels that start with keystead.dev/ are set by Keystead alone',
    ],
    [
      'an annotation that Keystead sets',
      template({ pod: { metadata: { annotations: { 'keystead.dev/refresh': '1' } } } }),
      'annotations that start with keystead.dev/ are set by Keystead alone',
    ],
    [
      'a container that is not there',
      { spec: { container: 'other' } },
      'container must be the name of one of template',
    ],
    ['a digest without algorithm', images({ digest: '1'.repeat(64) }), 'digest must be sha256: and 64 lower-case'],
    [
      'a digest in upper case',
      images({ digest: `sha256:${'A'.repeat(64)}` }),
      'digest must be sha256: and 64 lower-case',
    ],
    ['a digest of another algorithm', images({ digest: `sha512:${'1'.repeat(64)}` }), 'digest must be sha256:'],
    ['a digest twice', images({ digest: DIGEST }, { digest: DIGEST }), 'spec.images[1]: Duplicate value'],
    ['an image without digest', images({ name: 'a:1' }), 'spec.images[0].digest: Required value'],
    ['a name with digest', images({ digest: DIGEST, name: PINNED }), 'name must be an image reference without digest'],
    ['an executable without hash', process({ executables: [{ path: '/a' }] }), 'executables[0].sha256: Required value'],
    ['an executable with a short hash', executable('1234'), 'sha256 must be 64 lower-case hexadecimal digits'],
    ['an executable with prefixed hash', executable(DIGEST), 'sha256: Too long: may not be more than 64 bytes'],
    ['an executable by relative path', executable('1'.repeat(64), 'bin/a'), 'path must be absolute, for example'],
    ['a negative uid', process({ uid: -1 }), 'uid in body should be greater than or equal to 0'],
    ['the uid that means none', process({ uid: 4294967295 }), 'uid in body should be less than or equal to 4294967294'],
    ['the gid that means none', process({ gid: 4294967295 }), 'gid in body should be less than or equal to 4294967294'],
    ['a uid by name', process({ uid: 'root' }), 'uid in body must be of type integer'],
    ['a group by name', process({ groups: ['video'] }), 'groups[0] in body must be of type integer'],
    ['a group twice', process({ groups: [1, 1] }), 'groups[1]: Duplicate value'],
    ['a capability with its prefix', process({ capabilities: ['CAP_KILL'] }), 'written in capitals and without CAP_'],
    ['a capability in small letters', process({ capabilities: ['kill'] }), 'written in capitals and without CAP_'],
    ['a command without arguments', process({ commands: [{ argv: [] }] }), 'argv in body should have at least 1 items'],
    ['a code volume by relative path', process({ codeVolumes: ['opt'] }), 'named by its absolute mountPath'],
    ['a code volume with a slash at its end', process({ codeVolumes: ['/opt/'] }), 'without a slash at the end'],
    ['an unknown answer to a signal', process({ signals: { tracer: 'Ignore' } }), '"Refuse", "Report", "Allow"'],
    [
      'times that end before they begin',
      window({ notBefore: '2026-01-02T00:00:00Z', notAfter: '2026-01-01T00:00:00Z' }),
      'notAfter must be later than notBefore',
    ],
    ['a time that is none', window({ notAfter: 'tomorrow' }), 'must be of type date-time'],
    ['too short a staleness', window({ maxStaleness: '59s' }), 'maxStaleness must be a duration from 1m to 8760h'],
    [
      'too frequent measuring',
      { spec: { remeasureInterval: '999ms' } },
      'remeasureInterval must be a duration from 1s',
    ],
    [
      'measuring without unit',
      { spec: { remeasureInterval: '30' } },
      'must be a duration from 1s to 24h, for example 30s',
    ],
    ['an unknown reaction', { spec: { onViolation: 'Kill' } }, 'supported values: "Report", "Revoke", "Evict"'],
    ['an unknown state', { spec: { desiredState: 'Paused' } }, 'supported values: "Running", "Stopped"'],
    [
      'an order below zero',
      { spec: { startupOrder: -1 } },
      'startupOrder in body should be greater than or equal to 0',
    ],
    ['an order beyond 32 bits', { spec: { startupOrder: 4294967296 } }, 'should be less than or equal to 4294967295'],
  ]),
  ...casesOf('edge-module-selector', [
    ['an empty selector', selector({ matchLabels: null, matchExpressions: null }), 'selector must not be empty'],
    [
      'a selector of empty lists',
      selector({ matchLabels: { app: null }, matchExpressions: [] }),
      'selector must not be empty',
    ],
    ['In without values', expression({ key: 'a', operator: 'In' }), 'operators In and NotIn need values'],
    [
      'Exists with values',
      expression({ key: 'a', operator: 'Exists', values: ['b'] }),
      'Exists and DoesNotExist must have none',
    ],
    ['an unknown operator', expression({ key: 'a', operator: 'Gt', values: ['1'] }), 'Unsupported value: "Gt"'],
    ['a selector without digests', images(), 'a selector module needs at least one digest in images'],
    [
      "stopping somebody else's pods",
      { spec: { desiredState: 'Stopped' } },
      'desiredState Stopped is for a template only',
    ],
  ]),
];

const host = (patch: JsonObject): JsonObject => ({ spec: { host: patch } });

export const invalidHostModules = [
  ...casesOf('edge-module-host', [
    [
      'a template beside host',
      template({ pod: { spec: { containers: [{ name: 'a', image: PINNED }] } } }),
      'exactly one of: template',
    ],
    ['a selector beside host', selector({ matchLabels: { app: 'a' } }), 'exactly one of: template'],
    ['a unit that is no service', host({ unit: 'session-3.scope' }), 'unit must be the full name of a systemd service'],
    ['a unit as a path', host({ unit: 'system.slice/a.service' }), 'unit must be the full name of a systemd service'],
    ['no unit', host({ unit: null }), 'spec.host.unit: Required value'],
    ['no nodes', host({ deviceSelector: null }), 'host needs exactly one of: nodeNames, deviceSelector'],
    ['nodes in two ways', host({ nodeNames: ['line-4'] }), 'host needs exactly one of: nodeNames, deviceSelector'],
    ['no executable', process({ executables: [] }), 'a host module needs process.executables'],
    ['an executable at any path', process({ executables: [{ sha256: '1'.repeat(64) }] }), 'each with path and sha256'],
    ['any user', process({ uid: null }), 'and process.uid'],
    ['an image', images({ digest: DIGEST }), 'images, signers and container are for modules in pods'],
    ['a container', { spec: { container: 'a' } }, 'images, signers and container are for modules in pods'],
    [
      'a command',
      process({ commands: [{ argv: ['/a'] }] }),
      'process.commands and process.codeVolumes are for modules in pods',
    ],
    ['eviction', { spec: { onViolation: 'Evict' } }, 'a host module has no pod to evict'],
    ['being stopped', { spec: { desiredState: 'Stopped' } }, 'desiredState Stopped is for a template only'],
  ]),
];

const CONTAINER = { name: 'thermostat', image: PINNED };

export const forbiddenModuleChanges = [
  ...casesOf('edge-module', [
    ['another workload', template({ kind: 'DaemonSet' }), 'template.kind cannot be changed'],
    [
      'a selector instead of a template',
      { spec: { template: null, selector: { matchLabels: { app: 'a' } }, images: [{ digest: DIGEST }] } },
      'a module cannot change between template, selector and host',
    ],
  ]),
  ...casesOf('edge-module-selector', [
    [
      'a template instead of a selector',
      { spec: { selector: null, template: { pod: { spec: { containers: [CONTAINER] } } } } },
      'a module cannot change between template, selector and host',
    ],
    [
      'host instead of a selector',
      {
        spec: {
          ...{ selector: null, images: [], host: { unit: 'a.service', deviceSelector: {} } },
          process: { uid: 1, executables: [{ path: '/a', sha256: '1'.repeat(64) }] },
        },
      },
      'a module cannot change between template, selector and host',
    ],
  ]),
];
