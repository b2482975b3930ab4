"""Composition: the app, the web application, the launcher."""
