// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { agentOn } from './agent.ts';
import { CLUSTER_OPTIONS, EXIT, SYSTEM_OPTION, text, UsageError, type Command } from './command.ts';
import { AGENT_PORT, proxied } from './kinds.ts';

const KEYS: ReadonlyMap<string, string> = new Map([
  ['issuer', 'Issuer'],
  ['token', 'Token'],
]);

export const keyEvidence: Command = {
  name: 'key-evidence',
  operands: 'NODE',
  summary: "Writes evidence of where a node's key lives, for keystead verify-key",
  options: {
    key: {
      type: 'string',
      value: 'issuer|token',
      help: 'the key that issues certificates, or signs tokens; default: issuer',
    },
    nonce: {
      type: 'string',
      value: 'HEX',
      help: '8 to 64 octets that the evidence must hold; default: random, told on standard error',
    },
    ...SYSTEM_OPTION,
    ...CLUSTER_OPTIONS,
  },
  details:
    'It asks the agent of the node, through the API server: you must be allowed to get pods/proxy where Keystead is installed.\n' +
    'For example: keystead key-evidence edge-1 > key.json; keystead verify-key key.json --nonce HEX',
  async run({ terminal, cluster, values, positionals }) {
    const [node] = positionals;
    if (node === undefined || positionals.length > 1) throw new UsageError('key-evidence expects the name of one NODE');
    const key = KEYS.get(text(values, 'key') ?? 'issuer');
    if (!key) throw new UsageError(`--key: expected issuer or token, found ${text(values, 'key')}`);
    const nonce = text(values, 'nonce') ?? randomBytes(32).toString('hex');
    if (!/^([0-9a-f]{2}){8,64}$/.test(nonce))
      throw new UsageError('--nonce: expected 16 to 128 hexadecimal digits in lower case');
    const client = await cluster(text(values, 'kubeconfig'));
    try {
      const agent = await agentOn(client, node, text(values, 'system-namespace'));
      const page = proxied(agent.name, AGENT_PORT, 'evidence');
      const evidence = await client.get(page, { namespace: agent.namespace, name: `${key}-${nonce}` });
      terminal.out(JSON.stringify(evidence, undefined, 2));
      if (text(values, 'nonce') === undefined) terminal.err(`nonce ${nonce}`);
      return EXIT.Ok;
    } catch (thrown) {
      const { code, message } = asKeysteadError(thrown);
      throw new KeysteadError(code, `no evidence of the key of node ${node}: ${message}`, { cause: thrown });
    } finally {
      client.close();
    }
  },
};
