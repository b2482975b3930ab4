"""Who may ask for what: addresses, names, uploads, disconnects, error replies."""
