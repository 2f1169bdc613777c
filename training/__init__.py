"""What needs torch: values and a folder in, values out. Knows no database and no page."""
