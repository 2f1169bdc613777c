"""Registered models: a checkpoint folder with what it was made of."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLE = """
CREATE TABLE model (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    base VARCHAR NOT NULL,
    base_digest VARCHAR NOT NULL,
    data_hash VARCHAR NOT NULL,
    data JSON NOT NULL,
    metrics JSON NOT NULL,
    parents JSON NOT NULL,
    job_folder VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    removed_at VARCHAR,
    UNIQUE (path)
)
"""


def upgrade() -> None:
    op.execute(TABLE)
