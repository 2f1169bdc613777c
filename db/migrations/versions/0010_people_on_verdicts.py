"""People's answers to checks of an evaluation: queues, their verdicts, and events that are only ever added."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    """
CREATE TABLE verdict_queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    evaluation_id INTEGER NOT NULL,
    uid VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    each INTEGER NOT NULL,
    who VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    closed_at VARCHAR,
    UNIQUE (uid),
    FOREIGN KEY(evaluation_id) REFERENCES evaluation (id) ON DELETE CASCADE
)
""",
    "CREATE INDEX ix_verdict_queue_evaluation_id ON verdict_queue (evaluation_id)",
    """
CREATE TABLE verdict_task (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    queue_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    row_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    "check" INTEGER NOT NULL,
    digest VARCHAR NOT NULL,
    UNIQUE (queue_id, position),
    UNIQUE (queue_id, row_id, case_id, "check"),
    FOREIGN KEY(queue_id) REFERENCES verdict_queue (id) ON DELETE CASCADE,
    FOREIGN KEY(row_id) REFERENCES evaluation_row (id) ON DELETE CASCADE,
    FOREIGN KEY(case_id) REFERENCES evaluation_case (id) ON DELETE CASCADE
)
""",
    "CREATE INDEX ix_verdict_task_case_id ON verdict_task (case_id)",
    """
CREATE TABLE verdict_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    evaluation_id INTEGER NOT NULL,
    row_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    "check" INTEGER NOT NULL,
    digest VARCHAR NOT NULL,
    answer VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    client_id VARCHAR NOT NULL,
    UNIQUE (client_id),
    FOREIGN KEY(evaluation_id) REFERENCES evaluation (id) ON DELETE CASCADE,
    FOREIGN KEY(row_id) REFERENCES evaluation_row (id) ON DELETE CASCADE,
    FOREIGN KEY(case_id) REFERENCES evaluation_case (id) ON DELETE CASCADE
)
""",
    "CREATE INDEX ix_verdict_event_evaluation_id ON verdict_event (evaluation_id)",
    "CREATE INDEX ix_verdict_event_case_id ON verdict_event (case_id)",
    'CREATE INDEX ix_verdict_event_what ON verdict_event (row_id, case_id, "check", who, at)',
    """
CREATE VIEW verdict_event_held AS
SELECT e.* FROM verdict_event e
WHERE e.answer NOT IN ('', 'seen') AND NOT EXISTS (
    SELECT 1 FROM verdict_event l
    WHERE l.row_id = e.row_id AND l.case_id = e.case_id AND l."check" = e."check" AND l.who = e.who
      AND l.answer <> 'seen' AND (l.at, l.id) > (e.at, e.id)
)
""",
    """
CREATE TRIGGER verdict_event_no_update BEFORE UPDATE ON verdict_event
BEGIN SELECT RAISE(ABORT, 'answers of people are only ever added'); END
""",
    """
CREATE TRIGGER verdict_event_no_delete BEFORE DELETE ON verdict_event
WHEN EXISTS (SELECT 1 FROM evaluation WHERE id = old.evaluation_id)
BEGIN SELECT RAISE(ABORT, 'answers of people go with their evaluation alone'); END
""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
