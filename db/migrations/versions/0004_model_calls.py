"""Replies of models, kept under the digest of their question."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLE = """
CREATE TABLE model_call (
    "key" VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    finish VARCHAR NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    seconds FLOAT NOT NULL,
    model VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    PRIMARY KEY ("key")
)
"""


def upgrade() -> None:
    op.execute(TABLE)
