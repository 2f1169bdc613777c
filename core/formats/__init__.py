"""Foreign formats: one file each, JSON values in, records and problems out, and back."""
