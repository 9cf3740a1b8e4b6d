// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import { parseSpiffeId } from '../issue/spiffe-id.ts';
import type { Refusal } from './holding.ts';
import { hubModuleName, hubModuleOf } from './hub-module.ts';

/** A SPIFFE ID that an identity may have. */
export interface Claim {
  readonly spiffeId: string;
}

/**
 * The SPIFFE ID that an identity asks for in a trust domain: `spec.spiffeId`, or by default
 * `spiffe://<trust domain>/ns/<namespace>/module/<identity>`. A refusal where it is malformed, of another trust
 * domain, or outside `/ns/<namespace>/`, which alone belongs to the identity's namespace.
 */
export function spiffeIdOf({ metadata, spec }: ModuleIdentity, trustDomain: string): Claim | Refusal {
  const { namespace = '', name = '' } = metadata;
  const spiffeId = spec.spiffeId ?? `spiffe://${trustDomain}/ns/${namespace}/module/${name}`;
  const own = `/ns/${namespace}/`;
  try {
    const parsed = parseSpiffeId(spiffeId);
    if (parsed.trustDomain !== trustDomain) {
      return refused(`${spiffeId} is not of the trust domain ${trustDomain}, which this node issues for`);
    }
    if (parsed.path.startsWith(own) && parsed.path.length > own.length) return { spiffeId };
    return refused(
      `${spiffeId} does not lie below spiffe://${trustDomain}${own}, as identities of this namespace must`,
    );
  } catch (thrown) {
    return refused((thrown as Error).message);
  }
}

/** What identities that may collide have in common, for an index: the names that each asks for. */
export function claimedNames(identity: ModuleIdentity): string[] {
  const hubName = hubModuleName(identity);
  return [claimedPath(identity), ...(hubName === undefined ? [] : [hubName])];
}

/** The path of its SPIFFE ID, whatever the trust domain. */
function claimedPath({ metadata, spec }: ModuleIdentity): string {
  const { namespace = '', name = '' } = metadata;
  return spec.spiffeId?.replace(/^spiffe:\/\/[^/]*/, '') ?? `/ns/${namespace}/module/${name}`;
}

/**
 * The SPIFFE ID that an identity has among others (those of the same namespace, or that share one of `claimedNames`,
 * suffice): a refusal with reason `IdentityTaken` where an older one claims the same, `HubModuleTaken` where an older one
 * is the same module of an IoT Hub. Every process that looks at the same objects comes to the same answer.
 */
export function claim(
  identity: ModuleIdentity,
  others: readonly ModuleIdentity[],
  trustDomain: string,
): Claim | Refusal {
  const own = spiffeIdOf(identity, trustDomain);
  if ('reason' in own) return own;
  const rivals = others.filter((other) => isRival(identity, other));
  const older = rivals.find((other) => sameId(other, own.spiffeId, trustDomain));
  if (!older) return hubModuleTaken(identity, rivals) ?? own;
  const { namespace = '', name = '' } = older.metadata;
  return {
    reason: 'IdentityTaken',
    message: `${own.spiffeId} belongs to the older ModuleIdentity ${namespace}/${name}. Give this one another spiffeId, or delete that one.`,
  };
}

/** Two identities of one hub module would have each other's keys. */
function hubModuleTaken(identity: ModuleIdentity, rivals: readonly ModuleIdentity[]): Refusal | undefined {
  const module = hubModuleOf(identity);
  const older = module && rivals.find((other) => hubModuleName(other) === hubModuleName(identity));
  if (!older) return undefined;
  return {
    reason: 'HubModuleTaken',
    message: `Module ${module.moduleId} of generation ${module.generationId} belongs to the older ModuleIdentity ${older.metadata.name ?? ''}. Give this one another iotEdge.moduleId, or delete that one.`,
  };
}

function sameId(other: ModuleIdentity, spiffeId: string, trustDomain: string): boolean {
  const claimed = spiffeIdOf(other, trustDomain);
  return 'spiffeId' in claimed && claimed.spiffeId === spiffeId;
}

/** Whether `other` goes first: older, or of the same second and smaller in uid. One that is being deleted does not. */
function isRival({ metadata: own }: ModuleIdentity, { metadata: other }: ModuleIdentity): boolean {
  if (other.uid === own.uid || other.deletionTimestamp !== undefined) return false;
  const [ownTime = '', otherTime = ''] = [own.creationTimestamp, other.creationTimestamp];
  return otherTime < ownTime || (otherTime === ownTime && (other.uid ?? '') < (own.uid ?? ''));
}

function refused(message: string): Refusal {
  return { reason: 'SpiffeIdNotAllowed', message: `${message}.` };
}
