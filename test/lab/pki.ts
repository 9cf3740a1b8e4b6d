// SPDX-License-Identifier: Apache-2.0
import { chmod, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { API_PORT, NODE_NAME, SECOND_NODE_NAME, secondNode, type LabSettings } from './settings.ts';

/** The user as which the API server speaks to the kubelet. */
export const KUBELET_API_USER = 'keystead-lab:apiserver';

/** Who may speak to the API server in the lab, by the name of the key pair. */
const CLIENTS = {
  admin: '/O=system:masters/CN=keystead-lab-admin',
  'kube-controller-manager': '/CN=system:kube-controller-manager',
  'kube-scheduler': '/CN=system:kube-scheduler',
  'kube-proxy': '/CN=system:kube-proxy',
  kubelet: `/O=system:nodes/CN=system:node:${NODE_NAME}`,
  'kubelet-2': `/O=system:nodes/CN=system:node:${SECOND_NODE_NAME}`,
  coredns: '/CN=keystead-lab:coredns',
  'apiserver-kubelet-client': `/CN=${KUBELET_API_USER}`,
} as const;

type Client = keyof typeof CLIENTS;
const KUBECONFIGS = Object.keys(CLIENTS).filter((name) => name !== 'apiserver-kubelet-client') as Client[];

/** Makes the cluster's CA, all key pairs and kubeconfig files, unless they are there. Complete or absent, never half. */
export async function makePki(settings: LabSettings): Promise<void> {
  const target = join(settings.dir, 'pki');
  if (await readFile(join(target, 'ca.crt')).catch(() => undefined)) return;
  const dir = `${target}.new`;
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFile(join(dir, 'openssl.cnf'), '[req]\ndistinguished_name = dn\n[dn]\n');
  await makeAuthority(dir);
  await Promise.all([
    ...Object.entries(CLIENTS).map(([name, subject]) => makeCertificate(dir, { name, subject, usage: 'clientAuth' })),
    makeCertificate(dir, {
      name: 'apiserver',
      subject: '/CN=kube-apiserver',
      usage: 'serverAuth',
      names: apiNames(settings),
    }),
    makeCertificate(dir, kubeletServer('kubelet-server', settings)),
    makeCertificate(dir, kubeletServer('kubelet-2-server', secondNode(settings))),
    run('openssl', [
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-out',
      join(dir, 'sa.key'),
    ]),
  ]);
  await run('openssl', ['pkey', '-in', join(dir, 'sa.key'), '-pubout', '-out', join(dir, 'sa.pub')]);
  for (const name of KUBECONFIGS) await writeKubeconfig(settings, dir, name);
  await rename(dir, target);
}

/** The kubeconfig file of one of the lab's clients; all it needs is inside it. */
export function kubeconfigFile(settings: LabSettings, name: Client): string {
  return join(settings.dir, 'pki', `${name}.kubeconfig`);
}

/** Where the API server listens, for host and pods alike. */
export function apiUrl(settings: LabSettings): string {
  return `https://${settings.addresses.controlPlane}:${API_PORT}`;
}

function kubeletServer(name: string, { nodeName, addresses }: LabSettings): Certificate {
  const subject = `/O=system:nodes/CN=system:node:${nodeName}`;
  return { name, subject, usage: 'serverAuth', names: [`IP:${addresses.node}`, `DNS:${nodeName}`] };
}

/** The key pairs of the second node under the names that a node looks for. Complete or absent, never half. */
export async function copyPkiForSecondNode(settings: LabSettings, target: string): Promise<void> {
  const source = join(settings.dir, 'pki');
  const dir = `${target}.new`;
  await rm(dir, { recursive: true, force: true });
  await cp(source, dir, { recursive: true });
  await Promise.all([
    cp(join(source, 'kubelet-2.kubeconfig'), join(dir, 'kubelet.kubeconfig')),
    cp(join(source, 'kubelet-2-server.crt'), join(dir, 'kubelet-server.crt')),
    cp(join(source, 'kubelet-2-server.key'), join(dir, 'kubelet-server.key')),
    // The CA's key and those of the control plane stay with the first node.
    ...['ca.key', 'sa.key', 'apiserver.key'].map((file) => rm(join(dir, file))),
  ]);
  await rm(target, { recursive: true, force: true });
  await rename(dir, target);
}

function apiNames({ addresses }: LabSettings): string[] {
  const service = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ];
  return [
    ...service.map((name) => `DNS:${name}`),
    'IP:127.0.0.1',
    `IP:${addresses.controlPlane}`,
    `IP:${addresses.apiService}`,
  ];
}

interface Certificate {
  readonly name: string;
  readonly subject: string;
  readonly usage: 'clientAuth' | 'serverAuth';
  readonly names?: readonly string[];
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '365'];

async function makeAuthority(dir: string): Promise<void> {
  await run('openssl', [
    ...['req', '-x509', '-config', join(dir, 'openssl.cnf'), ...NEW_KEY, '-subj', '/CN=keystead-lab-ca'],
    ...[
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign,digitalSignature',
    ],
    ...['-keyout', join(dir, 'ca.key'), '-out', join(dir, 'ca.crt')],
  ]);
}

async function makeCertificate(dir: string, { name, subject, usage, names = [] }: Certificate): Promise<void> {
  const alternative = names.length > 0 ? ['-addext', `subjectAltName=${names.join(',')}`] : [];
  await run('openssl', [
    ...['req', '-x509', '-config', join(dir, 'openssl.cnf'), ...NEW_KEY, '-subj', subject],
    ...['-CA', join(dir, 'ca.crt'), '-CAkey', join(dir, 'ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-addext', 'keyUsage=critical,digitalSignature', '-addext', `extendedKeyUsage=${usage}`, ...alternative],
    ...['-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.crt`)],
  ]);
}

async function writeKubeconfig(settings: LabSettings, dir: string, name: Client): Promise<void> {
  const base64 = async (file: string) => (await readFile(join(dir, file))).toString('base64');
  const cluster = { server: apiUrl(settings), 'certificate-authority-data': await base64('ca.crt') };
  const user = {
    'client-certificate-data': await base64(`${name}.crt`),
    'client-key-data': await base64(`${name}.key`),
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'keystead-lab', cluster }],
    users: [{ name, user }],
    contexts: [{ name: 'keystead-lab', context: { cluster: 'keystead-lab', user: name } }],
    'current-context': 'keystead-lab',
  };
  const file = join(dir, `${name}.kubeconfig`);
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`);
  await chmod(file, 0o600);
}
