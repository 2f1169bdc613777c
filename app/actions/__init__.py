"""One verb per file, used by page, command line and test alike. Load, compute, save."""
