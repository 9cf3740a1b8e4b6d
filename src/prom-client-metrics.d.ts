// SPDX-License-Identifier: Apache-2.0
/** Each of prom-client's default metrics by itself: it declares types for all of them together alone. */
declare module 'prom-client/lib/metrics/*' {
  const register: (registry: import('prom-client').Registry) => void;
  export = register;
}
