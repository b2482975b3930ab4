"""Server benchmark over HTTP: ours and stock MONAI Label, asked as viewers ask. Imports no other room."""
