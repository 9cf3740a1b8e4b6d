// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHART_CRD_DIR, copyChartCrds, CRD_DIR } from '../../../src/build/chart-crds.ts';

const contents = (folder: string): [string, string][] =>
  readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]);

describe('CRDs of the chart', () => {
  it("are those of crds/ (if not: 'npm run build' copies them)", () => {
    expect(contents(CHART_CRD_DIR)).toEqual(contents(CRD_DIR));
  });

  it('are copied anew, and stale ones removed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keystead-crds-'));
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    mkdirSync(from);
    mkdirSync(to);
    writeFileSync(join(from, 'a.yaml'), 'new');
    writeFileSync(join(from, 'README.md'), 'not a CRD');
    writeFileSync(join(to, 'a.yaml'), 'old');
    writeFileSync(join(to, 'gone.yaml'), 'gone');
    expect(await copyChartCrds(from, to)).toBe(1);
    expect(contents(to)).toEqual([['a.yaml', 'new']]);
    rmSync(folder, { recursive: true });
  });
});
