"""Logins by a hospital's own login service (OpenID Connect)."""
