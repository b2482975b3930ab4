"""A login service on this machine, as far as the server asks one: its key, tokens, and where to get them."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TOKEN_S = 600
ALL_ROLES = ("monailabel-user", "monailabel-annotator", "monailabel-reviewer", "monailabel-admin")


@contextmanager
def realm(port: int, key: RSAPrivateKey) -> Iterator[None]:
    """Serve the key that tokens are signed with; nobody's password is known."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    told = {"public_key": base64.b64encode(public).decode(), "token_endpoint": f"http://127.0.0.1:{port}/token"}

    class Realm(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, told)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            self.answer(401, {"error": "invalid_grant"})

        def answer(self, status: int, content: dict[str, str]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Realm) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def token(key: RSAPrivateKey, *roles: str) -> dict[str, str]:
    """The header of a reader who is logged in, with these roles."""
    claims = {"preferred_username": "anna", "realm_access": {"roles": roles}, "exp": time.time() + TOKEN_S}
    return {"authorization": "Bearer " + jwt.encode(claims, key, "RS256")}
