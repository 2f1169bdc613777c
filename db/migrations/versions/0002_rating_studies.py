"""Rating studies: dialogues, raters, assignments, append-only rating events, and the value that holds as a view."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE study (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    guideline VARCHAR NOT NULL,
    guideline_version VARCHAR NOT NULL,
    consent VARCHAR NOT NULL,
    seed INTEGER NOT NULL,
    overlap INTEGER NOT NULL,
    retest FLOAT NOT NULL,
    progressive BOOLEAN NOT NULL,
    created_at VARCHAR NOT NULL,
    UNIQUE (name)
);
CREATE TABLE rater (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    study_id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    secret_digest VARCHAR NOT NULL,
    consented_at VARCHAR,
    withdrawn_at VARCHAR,
    UNIQUE (study_id, name),
    FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE,
    UNIQUE (secret_digest)
);
CREATE TABLE study_act (
    id INTEGER NOT NULL,
    study_id INTEGER NOT NULL,
    at VARCHAR NOT NULL,
    what VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE
);
CREATE INDEX ix_study_act_study_id ON study_act (study_id);
CREATE TABLE study_item (
    id INTEGER NOT NULL,
    study_id INTEGER NOT NULL,
    "key" VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    profile_key VARCHAR NOT NULL,
    profile VARCHAR NOT NULL,
    turns JSON NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (study_id, "key"),
    FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE
);
CREATE TABLE assignment (
    id INTEGER NOT NULL,
    rater_id INTEGER NOT NULL,
    item_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    retest BOOLEAN NOT NULL,
    token VARCHAR NOT NULL,
    holder VARCHAR NOT NULL,
    held_until VARCHAR NOT NULL,
    submitted_at VARCHAR,
    PRIMARY KEY (id),
    UNIQUE (rater_id, position),
    FOREIGN KEY(rater_id) REFERENCES rater (id) ON DELETE CASCADE,
    FOREIGN KEY(item_id) REFERENCES study_item (id) ON DELETE CASCADE,
    UNIQUE (token)
);
CREATE INDEX ix_assignment_item_id ON assignment (item_id);
CREATE TABLE rating_event (
    id INTEGER NOT NULL,
    assignment_id INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    dimension VARCHAR NOT NULL,
    sequence INTEGER NOT NULL,
    value INTEGER,
    flagged BOOLEAN NOT NULL,
    note VARCHAR NOT NULL,
    active_ms INTEGER NOT NULL,
    guideline_version VARCHAR NOT NULL,
    client_id VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (assignment_id, turn, dimension, sequence),
    FOREIGN KEY(assignment_id) REFERENCES assignment (id) ON DELETE CASCADE,
    UNIQUE (client_id)
);
"""

VIEW = """
CREATE VIEW rating AS
SELECT e.* FROM rating_event e
WHERE e.value IS NOT NULL AND e.sequence = (
    SELECT max(l.sequence) FROM rating_event l
    WHERE l.assignment_id = e.assignment_id AND l.turn = e.turn AND l.dimension = e.dimension
);
"""


def upgrade() -> None:
    for statement in (TABLES + VIEW).split(";\n"):
        if statement.strip():
            op.execute(statement)
