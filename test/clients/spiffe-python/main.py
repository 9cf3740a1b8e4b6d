# SPDX-License-Identifier: Apache-2.0
"""Takes all that the SPIFFE Workload API gives by the package `spiffe` as it is, and says what came, line by line."""

import time

from spiffe import JwtSvid, WorkloadApiClient


def on_update(context) -> None:
    svid = context.default_svid
    anchors = sum(len(bundle.x509_authorities) for bundle in context.x509_bundle_set.bundles)
    print(f"svid id={svid.spiffe_id} certificate={svid.leaf.serial_number:x} anchors={anchors}", flush=True)


def on_error(error: Exception) -> None:
    print("watch-error", repr(error), flush=True)


def token(client: WorkloadApiClient) -> None:
    try:
        svid = client.fetch_jwt_svid({"server"})
        validated = client.validate_jwt_svid(svid.token, "server")
        bundle = client.fetch_jwt_bundles().get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        parsed = JwtSvid.parse_and_validate(svid.token, bundle, {"server"})
        print(f"jwt id={svid.spiffe_id} validated={validated.spiffe_id} parsed={parsed.spiffe_id}", flush=True)
        client.fetch_jwt_svid({"somebody-else"})
        print("other-audience granted", flush=True)
    except Exception as error:
        print("jwt-error", repr(error), flush=True)


with WorkloadApiClient() as workload:
    workload.stream_x509_contexts(on_update, on_error)
    token(workload)
    while True:
        time.sleep(1000)
