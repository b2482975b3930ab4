"""The OHIF viewer that ships with the host: its files, and its page with our companion script."""
