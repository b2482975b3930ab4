"""Reports: rows of measurements as JSON, tables, pages and curves. Asks no network."""
