// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import { HELD_SOCKETS } from '../../os/held-sockets.ts';

/** How the agent is set up; every entry is an environment variable that the chart sets. */
export interface AgentConfiguration {
  /** KEYSTEAD_NODE_NAME: the node that this agent runs on. */
  readonly node: string;
  /** KEYSTEAD_KUBELET_ROOT, default /var/lib/kubelet. */
  readonly kubeletRoot: string;
  /** KEYSTEAD_CONTAINERD_SOCKET, default /run/containerd/containerd.sock; k3s: /run/k3s/containerd/containerd.sock. */
  readonly containerdSocket: string;
  /** KEYSTEAD_NRI_SOCKET, default /var/run/nri/nri.sock; empty switches NRI off. */
  readonly nriSocket: string;
  /** KEYSTEAD_STATE_DIR, default /var/lib/keystead/agent. */
  readonly stateDir: string;
  /** KEYSTEAD_NOTARY_SOCKET, default /run/keystead/notary.sock. */
  readonly notarySocket: string;
  /** KEYSTEAD_NOTARY_HEALTH, default /run/keystead/notary-health.sock. */
  readonly notaryHealth: string;
  /**
   * KEYSTEAD_HOST_MODULES, default /run/keystead/host: folder of the modules of the host, with mounts propagated to the host;
   * empty where there are none.
   */
  readonly hostModules: string;
  /** KEYSTEAD_HEALTH_PORT, default 9464. */
  readonly healthPort: number;
  /** KEYSTEAD_HOST_ROOT, default /proc/1/root: where the host's files are seen. */
  readonly hostRoot: string;
  /** KEYSTEAD_TPM_DEVICE: the TPM's device node that is relayed to the notary; empty where there is none. */
  readonly tpmDevice: string;
  /** KEYSTEAD_NOTARY_TPM_RELAY, default /run/keystead/tpm.sock. */
  readonly tpmRelay: string;
  /** KEYSTEAD_LOG_LEVEL, default info. */
  readonly logLevel: string;
  /** KEYSTEAD_HELD_SOCKETS: what the supervisor holds for this process; not for anybody to set. */
  readonly heldSockets: string | undefined;
  readonly signatures: SignatureConfiguration;
}

/** Where signatures of images are found; an empty path is none. */
export interface SignatureConfiguration {
  /** KEYSTEAD_TRUSTED_ROOT: Sigstore trusted root, JSON. */
  readonly trustedRoot: string;
  /** KEYSTEAD_SIGNATURE_FOLDER: signatures in files. */
  readonly folder: string;
  /** KEYSTEAD_REGISTRY_CREDENTIALS: a Docker config.json. */
  readonly credentials: string;
  /** KEYSTEAD_REGISTRY_CA: PEM. */
  readonly ca: string;
  /** KEYSTEAD_PLAIN_HTTP_REGISTRIES: hosts with ports, separated by commas. */
  readonly plainHttp: readonly string[];
}

/** Reads the environment. @throws KeysteadError `InvalidConfiguration` that names the variable and what it must be. */
export function agentConfiguration(env: NodeJS.ProcessEnv): AgentConfiguration {
  return {
    node: nodeName(env),
    healthPort: healthPort(env),
    kubeletRoot: env['KEYSTEAD_KUBELET_ROOT'] ?? '/var/lib/kubelet',
    containerdSocket: env['KEYSTEAD_CONTAINERD_SOCKET'] ?? '/run/containerd/containerd.sock',
    nriSocket: env['KEYSTEAD_NRI_SOCKET'] ?? '/var/run/nri/nri.sock',
    stateDir: env['KEYSTEAD_STATE_DIR'] ?? '/var/lib/keystead/agent',
    notarySocket: env['KEYSTEAD_NOTARY_SOCKET'] ?? '/run/keystead/notary.sock',
    notaryHealth: env['KEYSTEAD_NOTARY_HEALTH'] ?? '/run/keystead/notary-health.sock',
    hostRoot: env['KEYSTEAD_HOST_ROOT'] ?? '/proc/1/root',
    tpmDevice: env['KEYSTEAD_TPM_DEVICE'] ?? '',
    tpmRelay: env['KEYSTEAD_NOTARY_TPM_RELAY'] ?? '/run/keystead/tpm.sock',
    logLevel: env['KEYSTEAD_LOG_LEVEL'] ?? 'info',
    hostModules: env['KEYSTEAD_HOST_MODULES'] ?? '/run/keystead/host',
    heldSockets: env[HELD_SOCKETS],
    signatures: signatureConfiguration(env),
  };
}

function signatureConfiguration(env: NodeJS.ProcessEnv): SignatureConfiguration {
  return {
    trustedRoot: env['KEYSTEAD_TRUSTED_ROOT'] ?? '',
    folder: env['KEYSTEAD_SIGNATURE_FOLDER'] ?? '',
    credentials: env['KEYSTEAD_REGISTRY_CREDENTIALS'] ?? '',
    ca: env['KEYSTEAD_REGISTRY_CA'] ?? '',
    plainHttp: (env['KEYSTEAD_PLAIN_HTTP_REGISTRIES'] ?? '').split(',').filter((host) => host !== ''),
  };
}

function nodeName(env: NodeJS.ProcessEnv): string {
  const name = env['KEYSTEAD_NODE_NAME'];
  if (name) return name;
  const message = 'KEYSTEAD_NODE_NAME is not set: set it to spec.nodeName by the downward API.';
  throw new KeysteadError('InvalidConfiguration', message);
}

function healthPort(env: NodeJS.ProcessEnv): number {
  const text = env['KEYSTEAD_HEALTH_PORT'] ?? '9464';
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new KeysteadError('InvalidConfiguration', `KEYSTEAD_HEALTH_PORT is "${text}", which is not a port.`);
}
