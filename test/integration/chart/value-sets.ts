// SPDX-License-Identifier: Apache-2.0

/** Values of a demonstration: a software token on each node. */
export const DEMO = { softhsm: { enabled: true }, device: { create: true, spec: { trustDomain: 'edge.test' } } };

/** Values that switch on all that is optional. */
export const EVERYTHING = {
  ...DEMO,
  commonLabels: { team: 'edge' },
  imagePullSecrets: [{ name: 'pull' }],
  pkcs11: { libraryHostPath: '/opt/vendor', hostPaths: ['/dev/bus/usb', '/run/pcscd'] },
  pin: { secretName: 'pin', key: 'user-pin', extraKeys: ['owner'] },
  issuer: { secretName: 'device-ca' },
  hostModules: { enabled: true },
  tpm: { device: '/dev/tpmrm0' },
  notary: { supplementalGroups: [104], extraEnv: [{ name: 'VENDOR_CONF', value: '/opt/pkcs11/conf' }] },
  controller: { replicas: 2, podDisruptionBudget: { enabled: true } },
  signatures: {
    trustedRoot: '{}',
    registryCredentials: 'registry',
    registryCa: '-----BEGIN CERTIFICATE-----',
    plainHttpRegistries: ['registry.local:5000'],
    hostPath: '/srv/signatures',
  },
  metrics: { service: { enabled: true }, podMonitor: { enabled: true } },
  networkPolicy: { enabled: true, from: [{ namespaceSelector: {} }] },
};
