// SPDX-License-Identifier: Apache-2.0
import { HttpFailure } from './http-failure.ts';

/** Versions that the IoT Edge Workload API has had; all of its routes exist since the first. */
export const API_VERSIONS = [
  '2018-06-28',
  '2019-01-30',
  '2019-10-22',
  '2019-11-05',
  '2020-07-07',
  '2021-12-07',
  '2022-08-03',
] as const;

/** The parameter counts where it stands last, as with the original. Throws HttpFailure 400 with the original's words. */
export function requireApiVersion(query: string): void {
  const version = new URLSearchParams(query).getAll('api-version').at(-1);
  if (version === undefined) throw new HttpFailure(400, 'api-version not specified');
  if (!(API_VERSIONS as readonly string[]).includes(version)) {
    throw new HttpFailure(400, `invalid api-version ${JSON.stringify(version.slice(0, 64))}`);
  }
}
