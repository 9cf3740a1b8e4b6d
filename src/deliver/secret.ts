// SPDX-License-Identifier: Apache-2.0
import { HOLDER_ANNOTATION, NODE_ANNOTATION, REFRESH_ANNOTATION } from '../api/names.ts';
import type { KeyedCredentials } from './port.ts';

/** Which Secret, and for whom it is filled. */
export interface SecretDestination {
  readonly namespace: string;
  readonly name: string;
  /** The pod whose attested process holds the identity. */
  readonly podUid: string;
  readonly node: string;
}

/** The part of a Secret that an agent applies (server-side, as `agentManager(node)`). `ca.crt` is the controller's. */
export interface DeliveredSecret {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly type: 'kubernetes.io/tls';
  /** Base64. */
  readonly data: Readonly<Record<string, string>>;
}

/**
 * The identity as a kubernetes.io/tls Secret, with `credential-bundle.pem` (key first, then chain) beside it. Apply it
 * by force: it takes `tls.key` and `tls.crt` over from whoever made the Secret, who must leave them out from then on.
 */
export function deliveredSecret(destination: SecretDestination, credentials: KeyedCredentials): DeliveredSecret {
  const { privateKey, chain } = credentials;
  return tlsSecret(destination, {
    'tls.crt': base64(chain),
    'tls.key': base64(privateKey),
    'credential-bundle.pem': base64(`${privateKey.trimEnd()}\n${chain}`),
  });
}

/**
 * The same Secret without an identity. The API server insists on both keys in a kubernetes.io/tls Secret, so they
 * stay, empty; `credential-bundle.pem` goes, because its only manager no longer applies it. The annotations stay and
 * say who held it last.
 */
export function withdrawnSecret(destination: SecretDestination): DeliveredSecret {
  return tlsSecret(destination, { 'tls.crt': '', 'tls.key': '' });
}

function tlsSecret(
  { namespace, name, podUid, node }: SecretDestination,
  data: Record<string, string>,
): DeliveredSecret {
  const annotations = { [HOLDER_ANNOTATION]: podUid, [NODE_ANNOTATION]: node };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name, annotations },
    type: 'kubernetes.io/tls',
    data,
  };
}

/** A pod, by uid: one of the same name may have come after it. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What an agent applies to a pod, as a merge patch or server-side. */
export interface RefreshedPod {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: PodReference & { readonly annotations: Readonly<Record<string, string>> };
}

/**
 * Touches the pod, which makes the kubelet write the pod's Secret volumes anew within a second instead of at its next
 * sync (a minute by default). `revision` must differ from the last one, and is best the certificate's serial. With the
 * uid in it the API server refuses the patch (409) for a later pod of that name, and does not make one.
 */
export function refreshedPod({ namespace, name, uid }: PodReference, revision: string): RefreshedPod {
  const metadata = { namespace, name, uid, annotations: { [REFRESH_ANNOTATION]: revision } };
  return { apiVersion: 'v1', kind: 'Pod', metadata };
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
