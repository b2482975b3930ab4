"""The OHIF viewer that ships with the host: its static files, and its page with our companion script."""
