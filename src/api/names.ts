// SPDX-License-Identifier: Apache-2.0

/** Names that other software sees: labels, annotations, conditions, drivers. Changing one breaks users. */
export const GROUP = 'keystead.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Label on the pods of a template module; its value is the EdgeModule's name. */
export const MODULE_LABEL = 'keystead.dev/module';
/** Label on Secrets and ConfigMaps that Keystead writes; its value is the ModuleIdentity's or TrustBundle's name. */
export const IDENTITY_LABEL = 'keystead.dev/identity';
export const TRUST_BUNDLE_LABEL = 'keystead.dev/trust-bundle';
/** Annotation on a delivered Secret: the pod UID whose attested process it was issued for, and its node. */
export const HOLDER_ANNOTATION = 'keystead.dev/holder';
export const NODE_ANNOTATION = 'keystead.dev/node';
/** Annotation on a pod whose change makes the kubelet refresh the pod's Secret volumes at once. */
export const REFRESH_ANNOTATION = 'keystead.dev/refresh';
/** Annotation on pods of modules that must not start without their identity; its value is the name of the container. */
export const REQUIRES_IDENTITY_ANNOTATION = 'keystead.dev/requires-identity';
/** Pod readiness gate, true while the pod's module process is attested. */
export const ATTESTED_GATE = 'keystead.dev/attested';
/** Condition of an EdgeDevice, written by the controller. */
export const INTEGRITY_VERIFIED = 'IntegrityVerified';

/** The agent's name among the plugins of the container runtime, and the annotation by which a pod demands one of them. */
export const NRI_PLUGIN = 'keystead';
export const NRI_REQUIRED_PLUGINS = 'required-plugins.noderesource.dev';

export const CSI_DRIVER = 'csi.keystead.dev';
/** CSI volume attribute: the ModuleIdentity to deliver; may be left out where the module has just one. */
export const IDENTITY_ATTRIBUTE = 'identity';
/** Where modules find their files. */
export const MOUNT_PATH = '/var/run/keystead';
/** The SPIFFE Workload API's socket beside those files, and the variable by which its clients find it. */
export const SPIFFE_SOCKET = 'spiffe.sock';
export const SPIFFE_SOCKET_VARIABLE = 'SPIFFE_ENDPOINT_SOCKET';
/** The IoT Edge Workload API's socket, beside it. */
export const IOT_EDGE_SOCKET = 'workload.sock';
/** Signer of the ClusterTrustBundle objects. */
export const TRUST_SIGNER = 'keystead.dev/identity';

/** Server-side apply field managers. */
export const CONTROLLER_MANAGER = 'keystead-controller';
/** Of the one field of a ModuleIdentity's status that is written before anything else is done. */
export const SECRET_MANAGER = 'keystead-controller-secret';
export const agentManager = (node: string): string => `keystead-agent-${node}`;
