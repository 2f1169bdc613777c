"""What is kept: SQLite tables, migrations and blobs. Takes and returns `core` values; rows stop here."""
