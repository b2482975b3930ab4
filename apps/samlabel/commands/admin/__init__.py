"""Commands for whoever answers for a server."""
