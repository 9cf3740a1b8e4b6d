// SPDX-License-Identifier: Apache-2.0
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** The API's source of truth. */
export const CRD_DIR = join(ROOT, 'crds');
/** The chart's copy: Helm cannot read files outside the chart. Checked in, so that the chart installs from a clone. */
export const CHART_CRD_DIR = join(ROOT, 'charts/keystead/files/crds');

/** Makes the chart's copy of the CRDs equal to `crds/`; resolves with their number. */
export async function copyChartCrds(from: string = CRD_DIR, to: string = CHART_CRD_DIR): Promise<number> {
  await mkdir(to, { recursive: true });
  const wanted = (await readdir(from)).filter((name) => name.endsWith('.yaml'));
  const stale = (await readdir(to)).filter((name) => !wanted.includes(name));
  await Promise.all(stale.map((name) => rm(join(to, name))));
  await Promise.all(wanted.map((name) => copyFile(join(from, name), join(to, name))));
  return wanted.length;
}
