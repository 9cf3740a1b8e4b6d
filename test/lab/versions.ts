// SPDX-License-Identifier: Apache-2.0

/**
 * Every version of the lab, without a leading `v`. Those that are built stand in `go/<module>/go.mod` as well, because Go
 * needs them there with their checksums; a build refuses to start when the two differ.
 */
export const VERSIONS = {
  kubernetes: '1.36.3',
  kine: '0.17.5',
  containerd: '2.4.2',
  runc: '1.5.2',
  coredns: '1.15.0',
  helm: '4.3.1',
} as const;

/** The oldest Go that builds them all (the highest `go` line of the modules). */
export const MINIMUM_GO = '1.26.6';

/** Debian packages that a running lab needs. Their versions are those of the Debian release underneath. */
export const RUNTIME_PACKAGES = [
  'busybox-static',
  'containernetworking-plugins',
  'docker-registry',
  'iproute2',
  'libseccomp2',
  'nftables',
  'opensc',
  'openssl',
  'softhsm2',
  'swtpm',
  'swtpm-tools',
  'tpm2-tools',
  'util-linux',
] as const;

/** Debian packages that only a build needs (kine and runc are linked against C). */
export const BUILD_PACKAGES = ['gcc', 'libc6-dev', 'libseccomp-dev', 'pkg-config'] as const;

/** Debian packages that tests use beside the lab: a compiler for faults in PKCS#11, another clock, programs for test images. */
export const TEST_PACKAGES = ['curl', 'faketime', 'gcc', 'libc6-dev', 'python3', 'python3-pip', 'softhsm2'] as const;

/** Debian packages of the old node, `--containerd debian`. */
export const OLD_NODE_PACKAGES = ['containerd', 'runc'] as const;
