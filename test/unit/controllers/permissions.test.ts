// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CONTROLLERS, permissions, RUNTIME } from '../../../controllers/index.ts';

const rules = [...Object.values(RUNTIME).flat(), ...CONTROLLERS.flatMap((row) => row.rules)];

describe('the table of reconcilers', () => {
  it('names files that exist', () => {
    const missing = CONTROLLERS.filter(
      ({ reconciler }) => !existsSync(join(import.meta.dirname, '../../../controllers', reconciler)),
    );
    expect(missing).toEqual([]);
  });

  it('grants nothing by wildcard', () => {
    const texts = rules.flatMap(({ apiGroup, resources, verbs }) => [apiGroup, ...resources, ...verbs]);
    expect(texts.filter((text) => text.includes('*'))).toEqual([]);
  });

  it('lets neither process read or enumerate Secrets beyond what it needs', () => {
    expect(permissions('controller').get('/secrets')).toEqual(new Set(['get', 'create', 'patch', 'delete']));
    expect(permissions('agent').get('/secrets')).toEqual(new Set(['patch']));
  });

  it('joins the rules of all rows', () => {
    expect(permissions('agent').get('/pods')).toEqual(new Set(['list', 'watch', 'patch', 'delete']));
    expect(permissions('controller').get('certificates.k8s.io/signers#keystead.dev/identity')).toEqual(
      new Set(['attest']),
    );
    expect(permissions('controller').get('keystead.dev/edgedevices/status')).toEqual(new Set(['patch']));
    expect(permissions('controller').get('keystead.dev/edgedevices')).toEqual(new Set(['list', 'watch', 'create']));
  });
});
