"""Secrets that are handed out: random, shown once, and stored as their hash."""

from __future__ import annotations

import base64
import hashlib
import secrets

BYTES = 32


def new_secret(prefix: str = "") -> str:
    """256 random bits that can stand in a header, an address and a form."""
    return prefix + secrets.token_urlsafe(BYTES)


def digest(secret: str) -> str:
    """What is stored of a secret. It is random, so a fast hash is safe: nobody can guess what to try."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def challenge_of(verifier: str) -> str:
    """The S256 challenge of PKCE (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode(errors="replace")).digest()).rstrip(b"=").decode()
