"""Weight files: read safely, recognised by content, stored. Knows no network module."""
