"""Model cards: measured source by source, written from files."""
