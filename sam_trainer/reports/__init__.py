"""Rows of measurements as JSON, tables, pages and curves."""
