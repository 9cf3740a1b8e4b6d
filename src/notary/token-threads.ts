// SPDX-License-Identifier: Apache-2.0
import type { NotaryConfiguration, TokenStatus } from './port.ts';
import type { Places, Role } from './share.ts';
import type { ConfigurationChange } from './threads/messages.ts';
import type { TokenThread } from './threads/thread.ts';
import { mergedStatus } from './token-status.ts';

/** What a thread is for, and the places that it works in. */
export interface Post {
  readonly role: Role;
  readonly place: string;
  /** The TPM that attests, where that is another. */
  readonly attester?: string;
}

export interface PostedThread extends Post {
  readonly thread: TokenThread;
}

/** The posts that a configuration asks for: one where one thread holds both the node's keys and those of modules. */
export function postsOf({ device, modules, attester }: Places): readonly Post[] {
  const own: Post = { role: 'Device', place: device, ...(attester !== undefined && { attester }) };
  return modules === device ? [own] : [own, { role: 'Modules', place: modules }];
}

/** Whether both use one library or TPM, which few libraries and no software TPM bear at the same time. */
export function meet(one: Post, other: Post): boolean {
  const places = [one.place, one.attester];
  return [other.place, other.attester].some((place) => place !== undefined && places.includes(place));
}

export const isSamePost = (one: Post, other: Post): boolean => one.role === other.role && one.place === other.place;

/** The threads of a configuration. */
export class TokenThreads {
  readonly all: readonly PostedThread[];

  constructor(all: readonly PostedThread[]) {
    this.all = all;
  }

  /** That of the node's own keys; undefined before there is a configuration. */
  get device(): TokenThread | undefined {
    return this.#of('Device');
  }

  /** That of modules' keys. */
  get modules(): TokenThread | undefined {
    return this.#of('Modules') ?? this.device;
  }

  get status(): TokenStatus | undefined {
    const [device, modules] = [this.device?.status, this.#of('Modules')?.status];
    return device && modules ? mergedStatus(device, modules) : device;
  }

  /** The one at a post, if it is one of these; what attests may have changed. */
  kept(post: Post): PostedThread | undefined {
    const found = this.all.find((one) => isSamePost(one, post));
    return found && { ...post, thread: found.thread };
  }

  includes({ thread }: PostedThread): boolean {
    return this.all.some((one) => one.thread === thread);
  }

  /** What one of them is to take over of a configuration. */
  change({ role }: Post, configuration: NotaryConfiguration, mustOpen = false): ConfigurationChange {
    return { configuration, share: this.#of('Modules') ? role : 'All', mustOpen };
  }

  /** Whether the keys of a role are open. */
  isOpen(role: Role): boolean {
    const status = role === 'Device' ? this.device?.status : this.modules?.status;
    return (status?.token ?? status?.moduleToken) !== undefined;
  }

  #of(role: Role): TokenThread | undefined {
    return this.all.find((one) => one.role === role)?.thread;
  }
}
