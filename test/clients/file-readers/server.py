# SPDX-License-Identifier: Apache-2.0
"""Serves HTTPS with the files of its volume by Python's ssl, and asks clients for a certificate of the same anchors."""

import http.server
import os
import ssl
import time

FILES = os.environ.get("FILES", "/var/run/keystead")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        names = [name for kind, name in self.connection.getpeercert()["subjectAltName"] if kind == "URI"]
        body = f"hello {names[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def get_request(self):
        """Reads the files anew for each connection: so it serves what was renewed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{FILES}/tls.crt", f"{FILES}/tls.key")
        context.load_verify_locations(f"{FILES}/ca.crt")
        context.load_verify_locations(f"{FILES}/crl.pem")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.verify_mode = ssl.CERT_REQUIRED
        socket, address = super().get_request()
        return context.wrap_socket(socket, server_side=True, do_handshake_on_connect=False), address

    def finish_request(self, request, client_address) -> None:
        try:
            request.settimeout(10)
            request.do_handshake()
        except (OSError, ssl.SSLError) as error:
            print("refused", error, flush=True)
            return
        super().finish_request(request, client_address)

    def shutdown_request(self, request) -> None:
        """Says that the answer has ended: openssl takes a connection that just closes for one that was cut."""
        try:
            request.unwrap()
        except (OSError, ssl.SSLError):
            pass
        super().shutdown_request(request)


while not os.path.exists(f"{FILES}/tls.key"):
    time.sleep(0.1)
server = Server(("", 8443), Handler)
print("serving", flush=True)
server.serve_forever()
