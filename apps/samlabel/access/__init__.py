"""Access control: addresses, names, uploads, disconnects, error replies; who may ask for what."""
