"""Clients' requests to our values, and our answers to their replies."""
