# SPDX-License-Identifier: Apache-2.0
"""A private key in the node's token as a key of the package `cryptography`, by the Notary API. An example to copy.

Needs grpcio, grpcio-tools and cryptography, and notary.proto below a folder of sys.path. Python's ssl module takes no such
key: it serves for signatures, JSON Web Tokens, certification requests and what else asks a key to sign.
"""

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

_PROTO = "keystead/notary/v1alpha1/notary.proto"
_HEADER = (("workload.spiffe.io", "true"),)


class Notary:
    """The Notary API on the socket that SPIFFE_ENDPOINT_SOCKET names."""

    def __init__(self, endpoint: str):
        self.messages, services = grpc.protos_and_services(_PROTO)
        # Python would send the socket's path as the authority, which the server refuses.
        self._channel = grpc.insecure_channel(endpoint, options=[("grpc.default_authority", "localhost")])
        self._stub = services.NotaryStub(self._channel)

    def call(self, method: str, **fields):
        """Calls e.g. `call("Encrypt", plaintext=b"x")`. Raises grpc.RpcError, whose details() say what to do."""
        request = getattr(self.messages, f"{method}Request")(**fields)
        return getattr(self._stub, method)(request, metadata=_HEADER, timeout=30)


class NotaryKey(ec.EllipticCurvePrivateKey):
    """The current key of one of the module's identities."""

    def __init__(self, notary: Notary, identity: str = ""):
        self._notary = notary
        self._identity = identity
        key = notary.call("GetPublicKey", identity=identity).key
        self.key_id = key.key_id
        self._public_key = serialization.load_der_public_key(key.public_key)

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA with SHA-256 over `data`, or over a digest given with `Prehashed`; DER."""
        algorithm = signature_algorithm.algorithm
        prehashed = isinstance(algorithm, utils.Prehashed)
        if not prehashed and not isinstance(algorithm, hashes.SHA256):
            raise ValueError(f"the key signs with SHA-256, not with {algorithm.name}")
        given = {"digest": data} if prehashed else {"message": data}
        return self._notary.call("Sign", identity=self._identity, key_id=self.key_id, **given).signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def exchange(self, algorithm, peer_public_key):
        raise NotImplementedError("the key signs and does nothing else")

    def private_numbers(self):
        raise NotImplementedError("the key cannot leave the token")

    def private_bytes(self, encoding, format, encryption_algorithm):
        raise NotImplementedError("the key cannot leave the token")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self
