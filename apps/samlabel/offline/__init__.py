"""Offline use of the app: what commands do without a server."""
