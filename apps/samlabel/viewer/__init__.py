"""The OHIF viewer that ships with the host: its files, its page and settings, and our extension of it."""
