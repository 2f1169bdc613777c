"""The outside: settings, pages, JSON routes, actions and the command line."""
