// SPDX-License-Identifier: Apache-2.0
import { relative } from '../show-time.ts';
import { allOr, fail, warn, type InstallationCheck, type Outcome } from './port.ts';

/** A renewal may wait for a token or a busy node; after this long something is wrong. Milliseconds. */
const RENEWAL_GRACE_MS = 60_000;

export const certificates: InstallationCheck = {
  name: 'certificates',
  async run({ devices, identities, now }) {
    const issuers = (await devices()).flatMap(({ metadata, status }) =>
      judged({ ...status?.issuer, name: `the issuer of device ${metadata.name ?? ''}` }, now),
    );
    const all = (await identities()).flatMap(({ metadata, status }) =>
      (status?.holders ?? [])
        .filter(({ verdict }) => verdict === 'Allowed')
        .map((holder) => ({
          ...holder,
          name: `${metadata.namespace ?? ''}/${metadata.name ?? ''} in pod ${holder.pod}`,
        })),
    );
    const leaves = all.flatMap((holder) => judged(holder, now));
    return allOr([...issuers, ...leaves], `${all.length} held, none is late`);
  },
};

interface Dated {
  readonly name: string;
  readonly notAfter?: string;
  readonly renewalTime?: string;
}

function judged({ name, notAfter, renewalTime }: Dated, now: number): Outcome[] {
  const remedy = 'see the conditions and the log of the agent on that node: it renews by itself as soon as it can';
  if (notAfter !== undefined && Date.parse(notAfter) <= now) {
    return [fail(`${name} ended ${relative(notAfter, now)}`, remedy)];
  }
  if (renewalTime !== undefined && Date.parse(renewalTime) + RENEWAL_GRACE_MS < now) {
    return [warn(`${name} should have been renewed ${relative(renewalTime, now)}`, remedy)];
  }
  return [];
}
