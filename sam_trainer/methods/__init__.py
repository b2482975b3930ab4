"""Methods of adaptation (PEFT): what trains in a network, one file per kind. Knows no lesson, no loop."""
