"""Fixes of MONAI Label from outside: the only room that may patch the host."""
