"""Datastores: images and labels of a studies folder or an archive, as the host wants them."""
