// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net';
import { libc } from './libc.ts';

const socketpair = libc('int socketpair(int family, int type, int protocol, _Out_ int *descriptors)');

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/** Two sockets connected to each other, within this process (socketpair(2)). Throws Internal where there are no descriptors left. */
export function socketPair(): [Socket, Socket] {
  const descriptors = [-1, -1];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors);
  const [one = -1, other = -1] = descriptors;
  return [new Socket({ fd: one }), new Socket({ fd: other })];
}
