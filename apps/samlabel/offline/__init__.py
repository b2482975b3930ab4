"""What commands do without a server."""
