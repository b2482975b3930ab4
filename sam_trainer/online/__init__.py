"""Small networks that learn from accepted labels between clicks, one per label; trains no adapter, knows no server."""
