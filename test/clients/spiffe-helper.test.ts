// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPrivateKey, createPublicKey, verify, X509Certificate, type JsonWebKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packLayer } from '../../src/build/image/layer.ts';
import { isSignedByOneOf } from '../e2e/anchors.ts';
import { Scene, until } from '../e2e/harness.ts';
import { processesOfPod } from '../e2e/pod-processes.ts';
import { pushClient } from './client-image.ts';
import { file } from './packaged-client.ts';
import { spiffeHelper } from './spiffe-helper.ts';

/** spiffe-helper, as published: it writes what the Workload API gives into files, and signals the program that reads them. */
const scene = new Scene('spiffe-helper');
const FOLDER = '/certs';
/** Says when it is signalled; it runs as long as the helper does. */
const PROGRAM = `trap 'echo signalled' USR1
while :; do sleep 1; done
`;
const COMMON = `agent_address = "/var/run/keystead/spiffe.sock"
cert_dir = "${FOLDER}"
svid_file_name = "svid.pem"
svid_key_file_name = "svid_key.pem"
svid_bundle_file_name = "svid_bundle.pem"
`;
const ALL = `${COMMON}cmd = "/bin/sh"
cmd_args = "/app/program.sh"
renew_signal = "SIGUSR1"
hint = "helper"
jwt_bundle_file_name = "jwt_bundle.json"
jwt_svids = [
  { jwt_audience = "server", jwt_svid_file_name = "jwt.token" },
  { jwt_audience = "somebody-else", jwt_svid_file_name = "other.token" }
]
`;
const program = spiffeHelper();
const described = program === undefined ? describe.skip : describe;
let digest: string;

beforeAll(async () => {
  if (program === undefined) return;
  await scene.open();
  const text = (path: string, content: string) =>
    ({ kind: 'file', path, mode: 0o644, content: Buffer.from(content) }) as const;
  const layer = await packLayer([
    file('spiffe-helper', program),
    file('bin/busybox', '/bin/busybox'),
    ...['sh', 'sleep'].map((name) => ({
      ...{ kind: 'symlink' as const, path: `bin/${name}`, mode: 0o777, target: 'busybox' },
    })),
    text('app/program.sh', PROGRAM),
    text('app/all.conf', ALL),
    text('app/files.conf', COMMON),
  ]);
  const target = { name: 'spiffe-helper', registry: scene.lab.registry };
  const settings = { entrypoint: ['/spiffe-helper'] };
  const [module = '', foreign = ''] = await pushClient(target, [layer], settings, ['module', 'foreign']);
  digest = module.slice(module.indexOf('@') + 1);
  await scene.apply(
    scene.object('EdgeModule', 'helper', { selector: { matchLabels: { app: 'helper' } }, images: [{ digest }] }),
    scene.object('ModuleIdentity', 'helper', {
      moduleRef: { name: 'helper' },
      delivery: ['Socket'],
      x509: { duration: '1m', renewAtPercent: 20 },
      token: { audiences: ['server'], duration: '20s' },
    }),
    pod('helper', module, 'all'),
    // Its client of JWTs would say nothing of a refusal.
    pod('foreign', foreign, 'files'),
  );
}, 300_000);
afterAll(() => (program === undefined ? undefined : scene.leave()), 180_000);

function pod(name: string, image: string, configuration: string): object {
  const csi = { driver: 'csi.keystead.dev', readOnly: true };
  return scene.pod(
    name,
    { app: 'helper' },
    {
      image,
      command: ['/spiffe-helper', '-config', `/app/${configuration}.conf`],
      container: {
        volumeMounts: [
          { name: 'identity', mountPath: '/var/run/keystead', readOnly: true },
          { name: 'certs', mountPath: FOLDER },
        ],
      },
      spec: {
        securityContext: { fsGroup: 1000 },
        volumes: [
          { name: 'identity', csi },
          { name: 'certs', emptyDir: { medium: 'Memory' } },
        ],
      },
    },
  );
}

/** Waits until the log of a pod says something, and gives the match. */
function says(name: string, pattern: RegExp): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log of ${name}`, 90, async () => {
    const log = await scene.run('logs', name).catch(String);
    return pattern.exec(log) ?? log.slice(-1200);
  });
}

/** What the helper has written, read in one moment; '' for what it has not. */
async function written(name: string, ...which: readonly string[]): Promise<string[]> {
  const found = await scene.find('pod', name);
  const folders = processesOfPod(found!.metadata.uid).map((pid) => join(`/proc/${pid}/root`, FOLDER));
  const folder = folders.find((path) => existsSync(path));
  if (folder === undefined) throw new Error(`no process of ${name} has ${FOLDER}`);
  return which.map((each) => (existsSync(join(folder, each)) ? readFileSync(join(folder, each), 'utf8') : ''));
}

/** Waits for a certificate of another serial than this one; with its key and the trust anchors. */
function another(serial: string): Promise<{ leaf: X509Certificate; key: string; anchors: string }> {
  return until('another certificate', 90, async () => {
    const [svid = '', key = '', bundle = ''] = await written('helper', 'svid.pem', 'svid_key.pem', 'svid_bundle.pem');
    if (svid === '' || key === '' || bundle === '') return 'nothing';
    const leaf = new X509Certificate(svid);
    return leaf.serialNumber === serial ? serial : { leaf, key, anchors: bundle };
  });
}

interface Claims {
  readonly sub: string;
  readonly aud: readonly string[];
  readonly jti: string;
}

/** The claims of a token that a key of the bundle has signed. */
function claimsOf(token: string, bundle: string): Claims {
  const [head = '', body = '', signature = ''] = token.split('.');
  const decoded = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
  const { kid } = decoded(head) as { kid: string };
  const sets = Object.values(JSON.parse(bundle) as Record<string, string>).map(
    (set) => JSON.parse(Buffer.from(set, 'base64').toString()) as { keys: (JsonWebKey & { kid: string })[] },
  );
  const jwk = sets.flatMap(({ keys }) => keys).find((each) => each.kid === kid);
  const key = { key: createPublicKey({ key: jwk!, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
  expect(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
  return decoded(body) as Claims;
}

described('spiffe-helper', () => {
  it('writes certificate, key and trust anchors that belong together, and signals with each that follows', async () => {
    await says('helper', /X\.509 certificates updated/);
    const { leaf, key, anchors } = await another('');
    expect(leaf.subjectAltName).toMatch(new RegExp(`^URI:spiffe://[^/]+/ns/${scene.namespace}/module/helper$`));
    expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(isSignedByOneOf(leaf, anchors)).toBe(true);
    await another(leaf.serialNumber);
    await says('helper', /^signalled$/m);
  }, 200_000);

  it('writes JWT-SVIDs that the bundle which it writes finds valid, and new ones, for no audience but the granted', async () => {
    const token = async (): Promise<Claims | undefined> => {
      const [jwt = '', bundle = ''] = await written('helper', 'jwt.token', 'jwt_bundle.json');
      return jwt === '' || bundle === '' ? undefined : claimsOf(jwt, bundle);
    };
    const first = await until('a token', 60, async () => (await token()) ?? 'none');
    expect(first).toMatchObject({
      sub: expect.stringMatching(new RegExp(`/ns/${scene.namespace}/module/helper$`)) as unknown,
      aud: ['server'],
    });
    await until('another token', 60, async () => {
      const next = await token();
      return next && next.jti !== first.jti ? next : first.jti;
    });
    await says('helper', /PermissionDenied desc = AudienceNotAllowed/);
    expect(await written('helper', 'other.token')).toEqual(['']);
  }, 200_000);

  it('is told why it gets nothing where its image is another one, and writes nothing', async () => {
    await says('foreign', /PermissionDenied desc = ImageDigestMismatch/);
    expect(await written('foreign', 'svid.pem')).toEqual(['']);
  }, 120_000);

  it('is told of a withdrawal, and gets another certificate once the module is allowed again', async () => {
    const allow = (which: string): Promise<string> =>
      scene.run(
        'patch',
        'edgemodule',
        'helper',
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { images: [{ digest: which }] } }),
      );
    await allow(`sha256:${'0'.repeat(64)}`);
    await says('helper', /PermissionDenied desc = ImageDigestMismatch/);
    const { leaf } = await another('');
    await allow(digest);
    await another(leaf.serialNumber);
  }, 200_000);
});
