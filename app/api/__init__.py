"""JSON routes the pages call. Each reads through `db`, acts through one action, and shows through a view."""
