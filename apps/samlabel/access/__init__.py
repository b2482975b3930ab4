<<<<<<< HEAD
"""Access control: addresses, names, uploads, disconnects, error replies; who may ask for what."""
=======
"""Who asks, and who may ask for what: identity, addresses, names, uploads, disconnects, error replies."""
>>>>>>> h/docs
