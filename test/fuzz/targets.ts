// SPDX-License-Identifier: Apache-2.0
import type { Target } from './target.ts';
import { AUDIT_TARGETS } from './targets/audit.ts';
import { DELIVER_TARGETS } from './targets/deliver.ts';
import { DER_TARGETS } from './targets/der.ts';
import { GRPC_TARGETS } from './targets/grpc.ts';
import { IOT_EDGE_TARGETS } from './targets/iot-edge.ts';
import { NAME_TARGETS } from './targets/names.ts';
import { NOTARY_TARGETS } from './targets/notary.ts';
import { PROC_TARGETS } from './targets/proc.ts';
import { ROOT_TARGETS } from './targets/roots.ts';
import { RUNTIME_TARGETS } from './targets/runtime.ts';
import { SIGNED_TARGETS } from './targets/signed.ts';
import { TPM_TARGETS } from './targets/tpm.ts';

/** Every parser of what comes from outside. */
export const TARGETS: readonly Target[] = [
  ...TPM_TARGETS,
  ...NOTARY_TARGETS,
  ...DER_TARGETS,
  ...SIGNED_TARGETS,
  ...AUDIT_TARGETS,
  ...PROC_TARGETS,
  ...NAME_TARGETS,
  ...ROOT_TARGETS,
  ...RUNTIME_TARGETS,
  ...IOT_EDGE_TARGETS,
  ...DELIVER_TARGETS,
  ...GRPC_TARGETS,
];
