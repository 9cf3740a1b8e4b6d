// SPDX-License-Identifier: Apache-2.0
/** Run under a shifted clock: prints the conditions of a device whose agent has just spoken to the API server. */
import { deviceStatus } from '../../../controllers/node-device.ts';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { KubeClient } from '../../../src/kube/index.ts';

const client = await KubeClient.fromEnvironment(process.env);
await client.version();
const device = { metadata: { generation: 1 }, spec: {} } as EdgeDevice;
const skewMs = client.clockSkewMs;
const observed = { notary: undefined, skewMs, platform: {}, integrity: undefined, now: Date.now() };
console.log(JSON.stringify(deviceStatus(device, observed)));
client.close();
