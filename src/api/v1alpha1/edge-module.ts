// SPDX-License-Identifier: Apache-2.0
// Generated from crds/ by `npm run generate`; changes made here are lost.
import type { Condition } from '../conditions.ts';
import type { LabelSelector } from '../label-selector.ts';
import type { ObjectMeta } from '../object-meta.ts';

/** EdgeModule declares what must run and what it must be to be given an identity. */
export interface EdgeModule {
  readonly apiVersion: 'keystead.dev/v1alpha1';
  readonly kind: 'EdgeModule';
  readonly metadata: ObjectMeta;
  /** What must run and what it must be; exactly one of template, selector and host is set. */
  readonly spec: EdgeModuleSpec;
  /** What was found and done. */
  readonly status?: EdgeModuleStatus;
}

/** What must run and what it must be; exactly one of template, selector and host is set. */
export interface EdgeModuleSpec {
  /** The workload that Keystead makes for the module. */
  readonly template?: EdgeModuleSpecTemplate;
  /**
   * Labels of pods in this namespace that somebody else deploys and that are this module. It must not be empty.
   * Such a pod mounts the identity volume itself.
   */
  readonly selector?: LabelSelector;
  /**
   * A service of the nodes themselves, in no pod, such as an agent for device updates or an endpoint sensor. Who its
   * processes may be say process.executables and process.uid.
   */
  readonly host?: EdgeModuleSpecHost;
  /** Name of the container that is the module; left out, the pod's first container. */
  readonly container?: string;
  /**
   * Digests that the module's image may have: that of the index, of the platform's manifest or of the image
   * configuration. A digest that stands in the template's own image reference need not be repeated here.
   */
  readonly images: readonly EdgeModuleSpecImage[];
  /**
   * Who must have signed the module's image, as cosign signs; one signature over its index or over the platform's
   * manifest is enough. Left out, no signature is demanded: the digest alone decides. The agent looks for
   * signatures in the image's registry and in the node's folder, as the chart's values signatures say.
   */
  readonly signers?: EdgeModuleSpecSigners;
  /** What the module's process must be. */
  readonly process: EdgeModuleSpecProcess;
  /** What the module's pods must be; without effect for a host module. */
  readonly pod: EdgeModuleSpecPod;
  /** When the declaration counts; outside of these times its pods hold no identity. */
  readonly window?: EdgeModuleSpecWindow;
  /** How often a running process is measured again, as a Go duration from 1s to 24h. */
  readonly remeasureInterval: string;
  /**
   * What happens to a start of the module while its identity is not ready, where the container runtime has NRI. Wait: the
   * start is held for up to 1.5 s, then the module starts and its identity follows. Immediate: it is never held.
   * Require: it does not start; the kubelet tries again until the identity is ready.
   */
  readonly startPolicy: 'Wait' | 'Immediate' | 'Require';
  /**
   * What happens when a running process no longer holds to this declaration. Report: condition, Event and metric
   * only, its identity goes on. Revoke: its identity is taken away and revoked as well. Evict: its pod is deleted as well.
   */
  readonly onViolation: 'Report' | 'Revoke' | 'Evict';
  /** Whether the module shall run. Stopped scales a template's workload to nothing. */
  readonly desiredState: 'Running' | 'Stopped';
  /** Modules of a namespace with a template start in ascending order: one waits until all of a lower order are ready. */
  readonly startupOrder: number;
  /** Version of the module, as its author names it; for readers only. */
  readonly version?: string;
}

/** The workload that Keystead makes for the module. */
export interface EdgeModuleSpecTemplate {
  /** Kind of the workload. It cannot be changed later. */
  readonly kind: 'Deployment' | 'DaemonSet';
  /** Number of pods of a Deployment. A DaemonSet runs one on each node that the pod spec allows. */
  readonly replicas: number;
  /** The pods, as in a Deployment's template. */
  readonly pod: EdgeModuleSpecTemplatePod;
}

/** The pods, as in a Deployment's template. */
export interface EdgeModuleSpecTemplatePod {
  /** Labels and annotations of the pods, beside those that Keystead sets. */
  readonly metadata?: EdgeModuleSpecTemplatePodMetadata;
  /**
   * A native pod spec. Keystead adds the identity volume, the readiness gate and the environment, and pins each
   * image by digest. Fields that are not listed here are passed on as they are and checked by Kubernetes.
   */
  readonly spec: EdgeModuleSpecTemplatePodSpec;
}

/** Labels and annotations of the pods, beside those that Keystead sets. */
export interface EdgeModuleSpecTemplatePodMetadata {
  /** Labels of the pods. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations of the pods. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * A native pod spec. Keystead adds the identity volume, the readiness gate and the environment, and pins each
 * image by digest. Fields that are not listed here are passed on as they are and checked by Kubernetes.
 */
export interface EdgeModuleSpecTemplatePodSpec {
  /** Containers of the pod. */
  readonly containers: readonly EdgeModuleSpecTemplatePodSpecContainer[];
  /** Containers that run before the others. */
  readonly initContainers?: readonly EdgeModuleSpecTemplatePodSpecInitContainer[];
  /** What happens when a container ends; only Always. */
  readonly restartPolicy?: string;
  /** Must not be true; a module's process is known by its container. */
  readonly hostPID?: boolean;
  /**
   * Must not be true unless spec.pod.allowSharedProcessNamespace is; every container of the pod could read the
   * module's key.
   */
  readonly shareProcessNamespace?: boolean;
  readonly [field: string]: unknown;
}

/** A native container. */
export interface EdgeModuleSpecTemplatePodSpecContainer {
  /** Name of the container. */
  readonly name: string;
  /**
   * Reference of the image, with its digest as in registry.example.org/app:1.2@sha256:<digest>, or without
   * where spec.images gives the digest under the same name.
   */
  readonly image: string;
  readonly [field: string]: unknown;
}

/** A native container. */
export interface EdgeModuleSpecTemplatePodSpecInitContainer {
  /** Name of the container. */
  readonly name: string;
  /**
   * Reference of the image, with its digest as in registry.example.org/app:1.2@sha256:<digest>, or without
   * where spec.images gives the digest under the same name.
   */
  readonly image: string;
  readonly [field: string]: unknown;
}

/**
 * A service of the nodes themselves, in no pod, such as an agent for device updates or an endpoint sensor. Who its
 * processes may be say process.executables and process.uid.
 */
export interface EdgeModuleSpecHost {
  /** systemd unit whose processes are the module, known by its cgroup, for example deviceupdate-agent.service. */
  readonly unit: string;
  /** Nodes where it runs. */
  readonly nodeNames?: readonly string[];
  /** Labels of the EdgeDevices of the nodes where it runs; empty, all of them. */
  readonly deviceSelector?: LabelSelector;
}

/** An allowed image. */
export interface EdgeModuleSpecImage {
  /** Digest as sha256:<64 hexadecimal digits>. */
  readonly digest: string;
  /**
   * Image reference without digest. Containers of the template whose image is exactly this are pinned to the
   * first digest of that name. In a selector module it is for readers only.
   */
  readonly name?: string;
}

/**
 * Who must have signed the module's image, as cosign signs; one signature over its index or over the platform's
 * manifest is enough. Left out, no signature is demanded: the digest alone decides. The agent looks for
 * signatures in the image's registry and in the node's folder, as the chart's values signatures say.
 */
export interface EdgeModuleSpecSigners {
  /** Keys that sign without certificate, as cosign sign --key does. */
  readonly keys: readonly EdgeModuleSpecSignersKey[];
  /**
   * Signers with short-lived certificates of a Sigstore instance ("keyless"), whose trusted root the chart's value
   * signatures.trustedRoot gives. The signature must be in that instance's transparency log.
   */
  readonly identities: readonly EdgeModuleSpecSignersIdentitie[];
}

/** A key. */
export interface EdgeModuleSpecSignersKey {
  /** Name of the key, for messages. */
  readonly name: string;
  /** Public key, PEM, as cosign public-key prints it. */
  readonly publicKey: string;
}

/** A signer. */
export interface EdgeModuleSpecSignersIdentitie {
  /**
   * Who vouched for the signer, the exact URL of the OpenID Connect issuer, for example
   * https://token.actions.githubusercontent.com.
   */
  readonly issuer: string;
  /** The exact subject of the certificate, an e-mail address or a URL such as that of a workflow. */
  readonly subject: string;
}

/** What the module's process must be. */
export interface EdgeModuleSpecProcess {
  /** Executables that the process may be; none allows any executable of the image. */
  readonly executables: readonly EdgeModuleSpecProcessExecutable[];
  /**
   * Whether all code that the process has mapped must come from read-only layers of its image. It speaks of
   * machine code, not of scripts, which the image digest covers. Of a host module: whether all code that it has mapped,
   * and its script, must lie in files that root owns and nobody else may write.
   */
  readonly fromImage: boolean;
  /** User id that the process must have inside its container; left out, any. */
  readonly uid?: number;
  /** Group id that the process must have inside its container; left out, any. */
  readonly gid?: number;
  /** Supplementary groups that the process may have inside its container, beside its own group; left out, any. */
  readonly groups?: readonly number[];
  /** Capabilities that the process may have, as a securityContext names them; left out, any; empty, none. */
  readonly capabilities?: readonly string[];
  /** Whether the process must be unable to gain privileges (allowPrivilegeEscalation is false). */
  readonly noNewPrivileges: boolean;
  /** Whether the process must run under a seccomp filter. */
  readonly seccomp: boolean;
  /**
   * Command lines that the container may be started with; left out, any. Pods of a template must have the command and
   * args of the template in any case.
   */
  readonly commands?: readonly EdgeModuleSpecProcessCommand[];
  /** Folders of the container where volumes are mounted from which code may come as well as from the image. */
  readonly codeVolumes: readonly string[];
  /**
   * Whether processes may be put into the container from outside, as kubectl exec does. Exec probes and lifecycle hooks
   * of the pod are allowed in any case.
   */
  readonly allowExec: boolean;
  /**
   * What is done about signs that can be harmless. Refuse denies the identity; Report says so and gives it; Allow takes no
   * notice.
   */
  readonly signals: EdgeModuleSpecProcessSignals;
}

/** An allowed executable. */
export interface EdgeModuleSpecProcessExecutable {
  /** Absolute path inside the container, or on the node for a host module; left out, any path. */
  readonly path?: string;
  /** SHA-256 of the file, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** An allowed command line. */
export interface EdgeModuleSpecProcessCommand {
  /**
   * Program and arguments as the container runtime starts them: entrypoint or command, then args, with variables
   * expanded.
   */
  readonly argv: readonly string[];
}

/**
 * What is done about signs that can be harmless. Refuse denies the identity; Report says so and gives it; Allow takes no
 * notice.
 */
export interface EdgeModuleSpecProcessSignals {
  /** Executable memory without a file. Just-in-time compilers (Node.js, .NET, Java) cannot do without it. */
  readonly anonymousCode: 'Refuse' | 'Report' | 'Allow';
  /** Executable memory of a file without a name (memfd). .NET uses it, but for DOTNET_EnableWriteXorExecute=0. */
  readonly memfdCode: 'Refuse' | 'Report' | 'Allow';
  /**
   * Code that was changed in memory after it was loaded, as a debugger or an injector does; uprobes of tracing
   * tools do it too.
   */
  readonly modifiedCode: 'Refuse' | 'Report' | 'Allow';
  /** A script, run by an interpreter, that is not of the image and on none of codeVolumes. */
  readonly foreignScript: 'Refuse' | 'Report' | 'Allow';
  /** Another process that traces this one (ptrace). */
  readonly tracer: 'Refuse' | 'Report' | 'Allow';
  /** Environment variables that bring other code into a program, such as LD_PRELOAD; not those of the image itself. */
  readonly preload: 'Refuse' | 'Report' | 'Allow';
}

/** What the module's pods must be; without effect for a host module. */
export interface EdgeModuleSpecPod {
  /** Service account that the pods must have; left out, that of the template, or any with a selector. */
  readonly serviceAccountName?: string;
  /** Whether a container of the pod may be privileged, which lets it be any other module of its node. */
  readonly allowPrivileged: boolean;
  /** Whether the pod may set shareProcessNamespace, which lets its containers read the module's key through /proc. */
  readonly allowSharedProcessNamespace: boolean;
}

/** When the declaration counts; outside of these times its pods hold no identity. */
export interface EdgeModuleSpecWindow {
  /** From when on, by the API server's clock; by the node's own where an agent has not reached the server since it started. */
  readonly notBefore?: string;
  /** Until when, by the same clock. */
  readonly notAfter?: string;
  /** For how long the node may be without its API server, as a Go duration from 1m to 8760h; left out, for any time. */
  readonly maxStaleness?: string;
}

/** What was found and done. */
export interface EdgeModuleStatus {
  /** Generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /**
   * Conditions of the module: Ready sums up the others; Deployed tells that the workload is as declared; Attested
   * that every process of the module is attested.
   */
  readonly conditions?: readonly Condition[];
  /** The workload that was made from the template, in the module's namespace. */
  readonly workload?: EdgeModuleStatusWorkload;
  /** Digests that the module's image may have, those of the template's references included. */
  readonly digests?: readonly string[];
  /** Number of pods that should run; of a host module, of nodes. */
  readonly desired?: number;
  /** Number of pods that are ready. */
  readonly ready?: number;
  /** Number of pods whose module process is attested. */
  readonly attested?: number;
  /** Pods that were denied an identity, at most 32. */
  readonly denials?: readonly EdgeModuleStatusDenial[];
}

/** The workload that was made from the template, in the module's namespace. */
export interface EdgeModuleStatusWorkload {
  /** Kind of the workload. */
  readonly kind: 'Deployment' | 'DaemonSet';
  /** Name of the workload. */
  readonly name: string;
}

/** A pod that was denied. */
export interface EdgeModuleStatusDenial {
  /** UID of the pod; for a host module, a UUID of module and node. */
  readonly podUid: string;
  /** Name of the pod; for a host module, node/ and the node's name. */
  readonly pod: string;
  /** Node of the pod. */
  readonly node: string;
  /** Rule of attestation that failed, as one CamelCase word. */
  readonly reason: string;
  /** What was expected and what was found. */
  readonly message: string;
  /** When the pod was first denied for this reason. */
  readonly since: string;
}
