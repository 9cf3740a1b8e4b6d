// SPDX-License-Identifier: Apache-2.0
import { durationMs } from '../../../src/api/duration.ts';
import type { LabelSelector } from '../../../src/api/label-selector.ts';
import { isGranted } from '../../../src/identity/dns-grant.ts';
import { selects } from '../../../src/identity/label-selector.ts';
import { checkDnsName } from '../../../src/issue/dns-name.ts';
import { parseSpiffeId } from '../../../src/issue/spiffe-id.ts';
import { requireSecurityHeader } from '../../../src/workload/spiffe/header.ts';
import { Metadata } from '@grpc/grpc-js';
import type { Dice } from '../dice.ts';
import { mutateJson } from '../mutations/json.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const SPIFFE_IDS = ['spiffe://edge.example/ns/factory/module/press', 'spiffe://a', 'spiffe://a.b-c_d/x.y/Z_1'];
const SPIFFE_WORDS = ['spiffe://', 'SPIFFE://', '/', '/./', '/../', '%2e', ':443', 'user@', '#', '?', 'é', 'A'];
const DNS_NAMES = ['press.factory.svc', 'a', 'a-b.c', `${'a'.repeat(63)}.example`];
const DURATIONS = ['1h30m', '90s', '500ms', '1.5h', '0s'];
const SELECTORS: readonly LabelSelector[] = [
  { matchLabels: { app: 'press' } },
  { matchExpressions: [{ key: 'app', operator: 'In', values: ['press', 'lathe'] }] },
  {
    matchLabels: {},
    matchExpressions: [
      { key: 'x', operator: 'DoesNotExist' },
      { key: 'app', operator: 'Exists' },
    ],
  },
];

const words =
  (given: readonly string[], others: readonly string[]) =>
  (text: string, dice: Dice): string =>
    mutateText(text, dice, given, others);

export const NAME_TARGETS: readonly Target[] = [
  target({
    name: 'spiffe-id',
    weight: 4,
    corpus: SPIFFE_IDS,
    mutate: words(SPIFFE_WORDS, SPIFFE_IDS),
    read: (text) => {
      const { trustDomain, path } = parseSpiffeId(text);
      must(`spiffe://${trustDomain}${path}` === text, 'nothing is normalised');
      // A URI parser must find the same in it: no user, port, query or fragment, and no path that it would resolve.
      const url = new URL(text);
      must(url.host === trustDomain && url.pathname === path && url.search + url.hash === '', 'one meaning');
    },
  }),
  target({
    name: 'dns-name',
    weight: 2,
    corpus: DNS_NAMES,
    mutate: words(['.', '-', '*', '1', 'xn--'], DNS_NAMES),
    read: checkDnsName,
  }),
  target({
    name: 'dns-grant',
    corpus: ['press.factory.svc', 'press.plant.example'],
    mutate: words(['.factory.svc', '.svc.cluster.local', '.plant.example', '.'], DNS_NAMES),
    read: (name) => isGranted(name, 'factory', ['plant.example']),
  }),
  target({
    name: 'duration',
    weight: 2,
    corpus: DURATIONS,
    mutate: words(['h', 'm', 's', 'ms', '.', '9', '-1s'], DURATIONS),
    read: (text) => must(Number.isFinite(durationMs(text)) && durationMs(text) >= 0, 'a finite number of milliseconds'),
  }),
  target({
    name: 'label-selector',
    corpus: SELECTORS,
    mutate: (selector, dice) => formed(mutateJson(selector, dice)),
    read: (selector) => selects(selector, { app: 'press' }),
  }),
  target({
    name: 'spiffe-header',
    corpus: [['true']],
    mutate: (values, dice) => [
      ...values.map((value) => mutateText(value, dice, ['true', ',', ', ']).replace(/[^\x20-\x7e]/g, '')),
      ...(dice.oneIn(3) ? ['true'] : []),
    ],
    read: (values) => {
      const metadata = new Metadata();
      for (const value of values) metadata.add('workload.spiffe.io', value);
      requireSecurityHeader({ metadata });
    },
  }),
];

/** The API server lets no other shape through than that of the schema; values inside are anybody's. */
function formed(value: unknown): LabelSelector {
  const { matchLabels, matchExpressions } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const labels = typeof matchLabels === 'object' && matchLabels !== null ? (matchLabels as Record<string, string>) : {};
  const list: unknown[] = Array.isArray(matchExpressions) ? matchExpressions : [];
  const isRequirement = (each: unknown): boolean => {
    const { key, operator, values } = (each ?? {}) as Record<string, unknown>;
    return (
      typeof key === 'string' &&
      typeof operator === 'string' &&
      ['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator) &&
      (values === undefined || Array.isArray(values))
    );
  };
  return {
    matchLabels: labels,
    matchExpressions: list.filter(isRequirement) as NonNullable<LabelSelector['matchExpressions']>,
  };
}
