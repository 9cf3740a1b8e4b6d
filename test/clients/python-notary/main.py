# SPDX-License-Identifier: Apache-2.0
"""Uses the module's key in each way that the package `cryptography` offers, and says what came of it, line by line."""

import os

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notary_key import Notary, NotaryKey


def main() -> None:
    notary = Notary(os.environ["SPIFFE_ENDPOINT_SOCKET"])
    key = NotaryKey(notary)
    signature = key.sign(b"hello", ec.ECDSA(hashes.SHA256()))
    key.public_key().verify(signature, b"hello", ec.ECDSA(hashes.SHA256()))
    print("signed")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    print("request", request.is_signature_valid)
    sealed = notary.call("Encrypt", plaintext=b"secret").ciphertext
    print("decrypted", notary.call("Decrypt", ciphertext=sealed).plaintext == b"secret")
    try:
        notary.call("Sign", identity="vault", message=b"hello")
    except grpc.RpcError as error:
        print("refused", error.code().name, error.details())


if __name__ == "__main__":
    main()
