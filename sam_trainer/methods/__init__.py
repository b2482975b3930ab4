"""Methods of adaptation: what trains in a network and what an adapter keeps of it."""
