"""Errors that are sentences for people. Everything else that is raised is a bug."""


class Refused(Exception):
    """Something a person asked for cannot be done; the text says what, where and what to do."""
