"""Accepted labels: cases, ledger, quarantine, rounds, edit distance."""
