"""The MONAI Label app: translates between the host, its clients, sam_infer and sam_trainer; decides nothing."""
