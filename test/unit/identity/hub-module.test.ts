// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { hubModuleName, hubModuleOf } from '../../../src/identity/hub-module.ts';
import { iotEdgeEnvironment } from '../../../src/module/iot-edge-environment.ts';

const UID = 'b1a7f0a2-58a3-4a39-9c40-0d0c2c9b3a11';

function identity(iotEdge?: object): ModuleIdentity {
  const metadata = { name: 'historian', namespace: 'plant', uid: UID };
  return { metadata, spec: { iotEdge } } as unknown as ModuleIdentity;
}

/** The generation that the module's environment names, with which its SDK then calls. */
function told(of: ModuleIdentity): unknown {
  return iotEdgeEnvironment(of, '/mount').find(({ name }) => name === 'IOTEDGE_MODULEGENERATIONID')?.value;
}

describe('the generation of a module', () => {
  it('is the one that the hub gave, and its environment says so', () => {
    const of = identity({ hubHostName: 'hub.example', moduleId: '$edgeHub', generationId: '638012345678901234' });
    expect(hubModuleOf(of)).toMatchObject({ moduleId: '$edgeHub', generationId: '638012345678901234' });
    expect(told(of)).toBe('638012345678901234');
  });

  it('is the UID of the ModuleIdentity where the hub gave none, so that one made anew has other keys', () => {
    const of = identity({ hubHostName: 'hub.example' });
    expect(hubModuleOf(of)).toMatchObject({ moduleId: 'historian', generationId: UID, keys: 'Derived' });
    expect(told(of)).toBe(UID);
    const another = { ...of, metadata: { ...of.metadata, uid: 'another' } };
    expect(hubModuleName(another)).not.toBe(hubModuleName(of));
  });

  it('is none where nobody asks for IoT Edge', () => {
    expect(hubModuleOf(identity())).toBeUndefined();
    expect(iotEdgeEnvironment(identity(), '/mount')).toEqual([]);
  });
});
