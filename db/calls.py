"""Replies of models under the digest of their question, so that no call is paid twice. Keeps no failure and no prompt."""

from typing import NamedTuple

from core.ports import Reply
from db.engine import Database

_GET = "SELECT text, finish, prompt_tokens, completion_tokens, seconds, model FROM model_call WHERE key = ?"
_PUT = """
INSERT INTO model_call (key, text, finish, prompt_tokens, completion_tokens, seconds, model, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
"""


class Size(NamedTuple):
    """How many replies are kept, and how many characters of text they hold."""

    replies: int
    characters: int


def get(database: Database, key: str) -> Reply | None:
    """The reply kept under a key, marked as cached; None when there is none."""
    with database.read() as connection:
        row = connection.exec_driver_sql(_GET, (key,)).first()
    return None if row is None else Reply(*row, cached=True)


def put(database: Database, key: str, reply: Reply, now: str) -> None:
    """Keep a reply. The first one under a key stays: whoever asked before has already worked with it."""
    kept = (reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens, reply.seconds, reply.model)
    with database.write() as connection:
        connection.exec_driver_sql(_PUT, (key, *kept, now))


def size(database: Database) -> Size:
    """What is kept."""
    with database.read() as connection:
        row = connection.exec_driver_sql("SELECT count(*), coalesce(sum(length(text)), 0) FROM model_call").one()
    return Size(row[0], row[1])


class Pace(NamedTuple):
    """What the newest calls took on average: tokens in, tokens out, seconds; `calls` they were."""

    calls: int
    prompt_tokens: float
    completion_tokens: float
    seconds: float


def pace(database: Database, newest: int = 300) -> Pace:
    """The pace of the newest replies that were kept; all zero without any."""
    query = """
    SELECT count(*), coalesce(avg(prompt_tokens), 0), coalesce(avg(completion_tokens), 0), coalesce(avg(seconds), 0)
    FROM (SELECT * FROM model_call ORDER BY rowid DESC LIMIT ?)
    """
    with database.read() as connection:
        return Pace(*connection.exec_driver_sql(query, (newest,)).one())


def clear(database: Database) -> int:
    """Forget every reply; returns how many there were."""
    with database.write() as connection:
        return connection.exec_driver_sql("DELETE FROM model_call").rowcount
