"""One object on one slice: crop, encode (cached), decode, clean up. Stateless but for the cache."""
