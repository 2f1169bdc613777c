"""Errors that are sentences for people, and one for the worker. Everything else that is raised is a bug."""


class Refused(Exception):
    """Something a person asked for cannot be done; the text says what, where and what to do."""

    status = 400


class Killed(Exception):
    """A process that a job depends on died without a word: what the job does then is die too, and be queued again."""


class Missing(Refused):
    """What was asked for is not there."""

    status = 404


class Busy(Refused):
    """Too much is asked for at once; trying again in a moment helps."""

    status = 429
