"""A sentence to commands: words of several languages, typing errors, grammar. Knows no image."""
