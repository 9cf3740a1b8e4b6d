// SPDX-License-Identifier: Apache-2.0
import { callerAlive, socketOwner } from './caller-rules.ts';
import { codeFromImage, executableAllowed, imageDigest } from './code-rules.ts';
import { commandAllowed } from './command-rule.ts';
import { credentials } from './credential-rule.ts';
import { lineage } from './lineage-rule.ts';
import { nodeTrusted } from './node-rules.ts';
import { podOwned } from './pod-policy.ts';
import { containerKnown, moduleMatched, podBound } from './pod-rules.ts';
import type { DenialReason, Evidence, RuleResult, Verdict } from './port.ts';
import { onlyModule, type Rule } from './rule.ts';
import { imageSignature } from './signature-rule.ts';
import { notTampered } from './tamper-rule.ts';
import { unitMatched } from './unit-rule.ts';
import { policyWindow } from './window-rule.ts';

/** The rules for modules in pods, in their order. Where is it and who is it, then whose is it, then what does it run, then as whom, whence and until when. */
export const RULES: readonly Rule[] = [
  nodeTrusted,
  callerAlive,
  containerKnown,
  socketOwner,
  podBound,
  moduleMatched,
  imageDigest,
  imageSignature,
  podOwned,
  commandAllowed,
  executableAllowed,
  codeFromImage,
  notTampered,
  credentials,
  lineage,
  policyWindow,
];

/** Those for a service of the node itself, in the same order: no pod, no image and no container speak for it. */
export const HOST_RULES: readonly Rule[] = [
  nodeTrusted,
  callerAlive,
  unitMatched,
  executableAllowed,
  codeFromImage,
  notTampered,
  credentials,
  policyWindow,
];

/**
 * Judges evidence. Pure: the same evidence gives the same verdict. The first rule that fails denies and names the
 * reason; the table holds a row for every rule, for allowed and denied alike. Never throws on evidence of its type.
 */
export function decide(evidence: Evidence): Verdict {
  const table: RuleResult[] = [];
  let denied: { rule: Rule; reason: DenialReason; message: string } | undefined;
  for (const rule of onlyModule(evidence)?.host ? HOST_RULES : RULES) {
    if (denied !== undefined) {
      table.push({ rule: rule.name, outcome: 'NotReached', message: `not judged, as ${denied.rule.name} failed` });
      continue;
    }
    const { outcome, message, reason = rule.reason } = rule.check(evidence);
    table.push({ rule: rule.name, outcome, message });
    if (outcome === 'Failed') denied = { rule, reason, message };
  }
  if (denied !== undefined) return { allowed: false, reason: denied.reason, message: denied.message, table };
  const [module] = evidence.modules;
  // ModuleMatched holds for exactly one module; should that rule ever be changed, no module must be no verdict.
  if (module === undefined) throw new TypeError('a verdict without a module');
  return { allowed: true, module, table };
}
