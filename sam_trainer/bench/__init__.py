"""Measurements that anyone can run again: each writes JSON and a page with figures."""
