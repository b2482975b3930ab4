"""Wire formats: clients' requests to our values, and our answers to their replies. No I/O."""
