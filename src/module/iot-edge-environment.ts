// SPDX-License-Identifier: Apache-2.0
import { IOT_EDGE_SOCKET } from '../api/names.ts';
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import { hubModuleOf } from '../identity/hub-module.ts';
import type { Container } from '../kube/kinds.ts';

type Variables = NonNullable<Container['env']>;

/** SDKs that read it send it back with each call; all of the API's versions are served. */
const API_VERSION = '2022-08-03';

/**
 * The environment in which IoT Edge starts its modules (edgeAgent, CreateOrUpdateCommand), by which the SDKs find the
 * Workload API and who they are. `mountPath` is where the identity volume lies.
 */
export function iotEdgeEnvironment(identity: ModuleIdentity, mountPath: string): Variables {
  const module = hubModuleOf(identity);
  const { iotEdge } = identity.spec;
  if (!iotEdge || !module) return [];
  const { hubHostName, gatewayHostName, deviceId } = iotEdge;
  return [
    { name: 'IOTEDGE_WORKLOADURI', value: `unix://${mountPath}/${IOT_EDGE_SOCKET}` },
    { name: 'IOTEDGE_APIVERSION', value: API_VERSION },
    { name: 'IOTEDGE_AUTHSCHEME', value: 'sasToken' },
    { name: 'IOTEDGE_IOTHUBHOSTNAME', value: hubHostName },
    ...(gatewayHostName === undefined ? [] : [{ name: 'IOTEDGE_GATEWAYHOSTNAME', value: gatewayHostName }]),
    deviceId === undefined
      ? { name: 'IOTEDGE_DEVICEID', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } }
      : { name: 'IOTEDGE_DEVICEID', value: literal(deviceId) },
    { name: 'IOTEDGE_MODULEID', value: literal(module.moduleId) },
    { name: 'IOTEDGE_MODULEGENERATIONID', value: module.generationId },
  ];
}

/** The kubelet would put another variable's value in the place of `$(NAME)`. */
function literal(value: string): string {
  return value.replaceAll('$(', '$$$$(');
}
