"""Background jobs: the queue with what stands behind each row, and the numbers that jobs report."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE job (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind VARCHAR NOT NULL,
    spec JSON NOT NULL,
    lane VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    after_id INTEGER,
    retry_of INTEGER,
    created_at VARCHAR NOT NULL,
    started_at VARCHAR,
    ended_at VARCHAR,
    worker VARCHAR NOT NULL,
    handle VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    progress_done FLOAT NOT NULL,
    progress_total FLOAT NOT NULL,
    rate FLOAT,
    message VARCHAR NOT NULL,
    heartbeat_at VARCHAR,
    folder VARCHAR NOT NULL,
    result JSON,
    FOREIGN KEY(after_id) REFERENCES job (id) ON DELETE SET NULL,
    FOREIGN KEY(retry_of) REFERENCES job (id) ON DELETE SET NULL
);
CREATE INDEX ix_job_status ON job (status);
CREATE INDEX ix_job_after_id ON job (after_id);
CREATE TABLE job_metric (
    job_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value FLOAT,
    PRIMARY KEY (job_id, step, name),
    FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
