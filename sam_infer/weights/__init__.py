"""Weight files: read safely, recognised by content, stored."""
