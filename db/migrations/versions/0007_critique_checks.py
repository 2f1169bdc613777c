"""Checks of critiques by people: events that are only ever added, and the one of each person and step that holds."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE critique_check (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    tree_id INTEGER,
    node_key VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,
    score FLOAT,
    critique VARCHAR,
    reason VARCHAR NOT NULL,
    diff JSON,
    judged JSON NOT NULL,
    who VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    client_id VARCHAR NOT NULL,
    UNIQUE (client_id)
);
CREATE INDEX ix_critique_check_step ON critique_check (digest, node_key, tree_id, who, source, at);
CREATE INDEX ix_critique_check_tree_id ON critique_check (tree_id);
"""

VIEW = """
CREATE VIEW critique_check_held AS
SELECT c.* FROM critique_check c
WHERE c.verdict <> '' AND NOT EXISTS (
    SELECT 1 FROM critique_check l
    WHERE l.digest = c.digest AND l.node_key = c.node_key AND l.tree_id IS c.tree_id AND l.who = c.who
      AND l.source = c.source AND (l.at, l.id) > (c.at, c.id)
);
"""


def upgrade() -> None:
    for statement in (TABLES + VIEW).split(";\n"):
        if statement.strip():
            op.execute(statement)
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER critique_check_no_{act.lower()} BEFORE {act} ON critique_check "
            "BEGIN SELECT RAISE(ABORT, 'checks of critiques are only ever added'); END"
        )
