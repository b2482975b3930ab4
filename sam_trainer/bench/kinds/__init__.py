"""Proofs of the kinds of adapters, each on a cohort made for it. Nothing outside bench and commands imports them."""
