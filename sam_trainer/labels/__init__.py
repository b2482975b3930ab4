"""Accepted labels: cases, ledger, quarantine, rounds, exports. Knows no network and no training."""
