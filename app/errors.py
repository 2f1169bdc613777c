"""Errors that are sentences for people. Everything else that is raised is a bug."""


class Refused(Exception):
    """Something a person asked for cannot be done; the text says what, where and what to do."""

    status = 400


class Missing(Refused):
    """What was asked for is not there."""

    status = 404


class Busy(Refused):
    """Too much is asked for at once; trying again in a moment helps."""

    status = 429
