# SPDX-License-Identifier: Apache-2.0
"""Asks the server with the files of its volume by Python's ssl, in a right way and in wrong ones, and says what came."""

import os
import ssl
import time
import urllib.request

FILES = "/var/run/keystead"
URL = f"https://{os.environ['SERVER']}:8443/"


def context(anchors: str, chain: str | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=anchors)
    if chain is not None:
        made.load_cert_chain(chain, None if chain.endswith("bundle.pem") else chain.replace(".crt", ".key"))
    return made


def ask(name: str, anchors: str, chain: str | None) -> None:
    try:
        with urllib.request.urlopen(URL, context=context(anchors, chain), timeout=10) as answer:
            print(name, answer.read().decode().strip(), flush=True)
    except Exception as error:
        print(name, "failed", error, flush=True)


while not os.path.exists(f"{FILES}/tls.key"):
    time.sleep(0.1)
while True:
    ask("files", f"{FILES}/ca.crt", f"{FILES}/tls.crt")
    ask("one-file", f"{FILES}/trust-bundle.pem", f"{FILES}/credential-bundle.pem")
    ask("other-anchors", "/app/stranger.crt", f"{FILES}/tls.crt")
    ask("other-certificate", f"{FILES}/ca.crt", "/app/stranger.crt")
    ask("no-certificate", f"{FILES}/ca.crt", None)
    time.sleep(5)
