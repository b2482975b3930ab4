"""Composition: the app class, the ASGI application, the launcher. Imports every room, is imported by commands alone."""
