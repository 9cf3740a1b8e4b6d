// SPDX-License-Identifier: Apache-2.0
import { Registration, type RegistrationStatus } from '../../gen/pluginregistration/v1/api_pb.js';
import { GrpcServer } from '../../grpc/server.ts';
import type { Logger } from '../../log.ts';

/** CSI versions that the kubelet is offered: v1, whose services these are. */
const CSI_VERSIONS = ['1.0.0'];

/** What the kubelet's plugin watcher asks of a new socket (k8s.io/kubelet/pkg/apis/pluginregistration/v1). */
export class RegistrationService {
  readonly #driverName: string;
  readonly #endpoint: string;
  readonly #log: Logger;
  #registered = false;

  /** `endpoint` is the CSI socket, which must already serve. */
  constructor(driverName: string, endpoint: string, log: Logger) {
    this.#driverName = driverName;
    this.#endpoint = endpoint;
    this.#log = log;
  }

  /** Whether the kubelet's last word was that it has taken the driver. */
  get registered(): boolean {
    return this.#registered;
  }

  server(): GrpcServer {
    const server = new GrpcServer();
    const info = {
      type: 'CSIPlugin',
      name: this.#driverName,
      endpoint: this.#endpoint,
      supportedVersions: CSI_VERSIONS,
    };
    server.addService(Registration, {
      getInfo: () => Promise.resolve(info),
      notifyRegistrationStatus: (status) => {
        this.#heard(status);
        return Promise.resolve({});
      },
    });
    return server;
  }

  /** A refusal is not final: the kubelet registers again with back-off, and after its own restart. */
  #heard({ pluginRegistered, error }: Pick<RegistrationStatus, 'pluginRegistered' | 'error'>): void {
    this.#registered = pluginRegistered;
    const driver = this.#driverName;
    if (pluginRegistered) this.#log.info({ driver }, 'registered with the kubelet');
    else this.#log.error({ driver, reason: error }, 'the kubelet refused the registration');
  }
}
