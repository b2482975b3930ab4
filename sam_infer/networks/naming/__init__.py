"""Networks that name every pixel's label without a hint: the head beside a SAM network, and a U-Net of its own."""
