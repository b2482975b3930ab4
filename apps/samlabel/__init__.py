"""The MONAI Label app: translates between the host, its clients and sam_infer; decides nothing."""
