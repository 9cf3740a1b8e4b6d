// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { COMMANDS } from '../../../src/cli/program.ts';
import type { Verification } from '../../../src/cli/port.ts';
import type { ExportFilter } from '../../../src/audit/export.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { fakeCluster, NOW, run } from './fakes.ts';
import { buildCrl } from '../../../src/issue/crl.ts';
import { readCertificate, serialHex, subjectKeyIdentifierOf } from '../../../src/issue/certificate-reader.ts';
import { crlPemOf } from '../../../src/issue/pem.ts';
import { sampleChain } from '../issue/samples.ts';
import { device, HEALTHY, holder, identity } from './objects.ts';

const HOUR = 3_600_000;

describe('the command line', () => {
  it.each(['', '--help', '-h', 'help'])('%p tells of every command', async (line) => {
    const { exit, out } = await run(line);
    expect(exit).toBe(0);
    for (const { name, summary } of COMMANDS) {
      expect(out).toContain(name);
      expect(out).toContain(summary);
    }
  });

  it.each(COMMANDS.map(({ name }) => name))('%s --help and help %s tell of each of its options', async (name) => {
    const { exit, out } = await run(`${name} --help`);
    expect(exit).toBe(0);
    expect(await run(`help ${name}`)).toEqual({ exit, out, err: '' });
    const command = COMMANDS.find((each) => each.name === name)!;
    for (const option of Object.keys(command.options)) expect(out).toContain(`--${option}`);
  });

  it.each([
    ['bogus', 'there is no command bogus; there are: status'],
    ['audit', 'audit needs a command; there are: audit verify, audit export'],
    ['audit prune', 'there is no command audit prune; there are: audit verify'],
    ['status --bogus', "Unknown option '--bogus'. See keystead status --help"],
    ['status extra', 'status takes no operand, found extra'],
    ['check extra', 'check takes no operand, found extra'],
    ['status -n', 'See keystead status --help'],
    ['explain', 'explain expects one pod, found nothing; type for example'],
    ['explain pod/a/b', 'explain expects one pod, found pod/a/b'],
    ['explain a b', 'explain expects one pod, found a b'],
    ['audit verify --head abc', '--head: expected 64 hexadecimal digits'],
    ['audit export --since yesterday', '--since: expected a time'],
    ['audit export --identity press', '--identity: expected NAMESPACE/NAME, found press'],
  ])('%s: says what to type instead and ends with 64', async (line, message) => {
    const { exit, out, err } = await run(line);
    expect([exit, out]).toEqual([64, '']);
    expect(err).toContain(message);
  });

  it('tells the version', async () => {
    expect(await run('version')).toEqual({ exit: 0, out: 'keystead 1.2.3', err: '' });
    expect(await run('--version')).toEqual({ exit: 0, out: 'keystead 1.2.3', err: '' });
  });

  it('tells an error by its code, and ends with 2', async () => {
    const cluster = fakeCluster({ edgedevices: new KeysteadError('PermissionDenied', 'edgedevices is forbidden') });
    expect(await run('status', { cluster })).toMatchObject({
      exit: 2,
      err: 'PermissionDenied: edgedevices is forbidden',
    });
  });
});

describe('keystead status', () => {
  it('shows what is there, by namespace or all of it', async () => {
    const cluster = fakeCluster(HEALTHY);
    const all = await run('status -A', { cluster });
    expect(all.out).toMatch(/node-1 +True +PKCS11 edge +Nri +in 1d/);
    expect(all.out).toMatch(/factory +press +True +1\/1 +in 1h/);
    expect((await run('status', { cluster })).out).toContain('no modules');
    expect((await run('status -n factory', { cluster })).out).toEqual(all.out);
  });

  it('says why a pod was denied, and how to learn more', async () => {
    const denied = holder('press-1', { verdict: 'Denied', reason: 'CodeNotFromImage', message: 'Dropped.' });
    const cluster = fakeCluster({ ...HEALTHY, moduleidentities: [identity('press', [denied])] });
    const { out } = await run('status -A', { cluster, styled: true });
    expect(out).toContain('<red>CodeNotFromImage</> pod/press-1: Dropped.');
    expect(out).toContain('keystead explain pod/press-1 -n factory');
  });

  it('shows what was revoked: which, when and why; and nothing of it where there is nothing', async () => {
    const { ca, leaf, signer } = sampleChain('EC-P256');
    const { subject, serial } = { ...readCertificate(ca), serial: serialHex(readCertificate(leaf).serial) };
    const issuer = { name: subject, keyIdentifier: subjectKeyIdentifierOf(readCertificate(ca))! };
    const times = { number: 1, thisUpdate: NOW, nextUpdate: NOW + HOUR };
    const entry = { serial, revokedAt: NOW - HOUR, reason: 'privilegeWithdrawn' } as const;
    const crl = crlPemOf(buildCrl(signer, issuer, { ...times, revoked: [entry] }));
    const tokens = Array.from({ length: 12 }, (_, at) => ({
      jti: `jti-${at}`,
      until: new Date(NOW + HOUR).toISOString(),
      revokedAt: new Date(NOW - (at + 1) * HOUR).toISOString(),
      reason: 'cessationOfOperation' as const,
    }));
    const revocation = { count: 1, crl, tokens, failure: 'the token is away' };
    const cluster = fakeCluster({ ...HEALTHY, edgedevices: [device('node-1', { status: { revocation } })] });
    const { out } = await run('status -A', { cluster });
    expect(out).toMatch(new RegExp(`certificate +node-1 +${serial} +1h ago +refused \\(privilegeWithdrawn\\)`));
    expect(out).toMatch(/token +node-1 +jti-1 +2h ago +its process or pod ended \(cessationOfOperation\)/);
    expect(out).toContain('and 2 more');
    expect(out).toContain('node-1: not on a signed list yet: the token is away');
    expect((await run('status -A', { cluster: fakeCluster(HEALTHY) })).out).not.toContain('REVOKED');
  });

  it('gives the objects as JSON', async () => {
    const { out } = await run('status -A --json', { cluster: fakeCluster(HEALTHY) });
    expect(JSON.parse(out)).toMatchObject({
      devices: [{ metadata: { name: 'node-1' } }],
      modules: [{}],
      identities: [{}],
    });
  });
});

describe('keystead audit', () => {
  const finding = { kind: 'Edited', file: '/log', line: 7, offset: 1234, message: 'line 7 is not as written' } as const;
  const verified = (severity?: 'Tampering' | 'Warning' | 'Notice'): Verification => ({
    findings: severity ? [{ severity, ...finding }] : [],
    records: 9,
    first: { seq: 1, hash: 'aa' },
    last: { seq: 9, hash: 'bb' },
  });

  it.each([
    [undefined, 0, 'intact: records 1 to 9, 9 read'],
    ['Notice', 0, 'Notice Edited /log:7 (byte 1234): line 7 is not as written'],
    ['Warning', 1, 'intact but for its end'],
    ['Tampering', 2, 'TAMPERED WITH'],
  ] as const)('verify with a finding of severity %s ends with %i', async (severity, exit, text) => {
    const found = await run('audit verify /log', { audit: { verify: () => verified(severity) } });
    expect(found.exit).toBe(exit);
    expect(found.out).toContain(text);
    expect(found.out).toContain('head bb');
    const json = await run('audit verify --json', { audit: { verify: () => verified(severity) } });
    expect(JSON.parse(json.out)).toMatchObject({ intact: exit === 0, records: 9 });
  });

  it('looks where the notary of a node keeps its log, unless told otherwise', async () => {
    const asked: unknown[] = [];
    const verify = (...args: unknown[]): Verification => {
      asked.push(args);
      return verified();
    };
    const head = 'a'.repeat(64);
    await run('audit verify', { audit: { verify } });
    await run(`audit verify /a /b --head ${head}`, { audit: { verify } });
    expect(asked).toEqual([
      [['/var/lib/keystead/notary'], undefined],
      [['/a', '/b'], head],
    ]);
  });

  it('exports what the filter names', async () => {
    const filters: ExportFilter[] = [];
    const audit = {
      export: (_paths: readonly string[], filter: ExportFilter, write: (line: string) => void) => {
        filters.push(filter);
        write('{"seq":1}');
        return { exported: 1, unreadable: 2 };
      },
    };
    const found = await run('audit export --since 90m --until 2026-11-22T11:00:00Z --identity a/b --serial AB', {
      audit,
    });
    await run('audit export --since 2d --jti aB', { audit });
    expect(found).toEqual({ exit: 1, out: '{"seq":1}', err: expect.stringContaining('2 lines are no records') });
    expect(filters).toEqual([
      { since: NOW - 5_400_000, until: NOW - 3_600_000, identity: 'a/b', serial: 'ab' },
      { since: NOW - 2 * 86_400_000, jti: 'aB' },
    ]);
  });
});
