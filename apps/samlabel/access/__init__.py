"""Who asks, and who may ask for what: identity, addresses, names, uploads, disconnects, error replies."""
