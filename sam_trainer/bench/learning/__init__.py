"""Benches of learning (few accepted cases, whole projects). Nothing outside bench and commands imports them."""
