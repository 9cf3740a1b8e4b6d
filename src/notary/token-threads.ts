// SPDX-License-Identifier: Apache-2.0
import type { NotaryConfiguration, TokenStatus } from './port.ts';
import type { Places, Role } from './share.ts';
import type { ConfigurationChange } from './threads/messages.ts';
import type { TokenThread } from './threads/thread.ts';
import { mergedStatus } from './token-status.ts';

/** What a thread is for, and the place that it works in. */
export interface Post {
  readonly role: Role;
  readonly place: string;
}

export interface PostedThread extends Post {
  readonly thread: TokenThread;
}

/** The posts that a configuration asks for: one where one thread holds both the node's keys and those of modules. */
export function postsOf({ device, modules }: Places): readonly Post[] {
  const own: Post = { role: 'Device', place: device };
  return modules === device ? [own] : [own, { role: 'Modules', place: modules }];
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
