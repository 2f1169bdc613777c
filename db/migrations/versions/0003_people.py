"""People: accounts, sessions, invitations. Studies: consent to withdrawal, guideline versions, checks, handed-over work."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = """
CREATE TABLE person (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR NOT NULL,
    name_key VARCHAR NOT NULL,
    password VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    disabled BOOLEAN NOT NULL,
    failures INTEGER NOT NULL,
    locked_until VARCHAR NOT NULL,
    UNIQUE (name_key)
);
CREATE TABLE session (
    digest VARCHAR NOT NULL,
    person_id INTEGER NOT NULL,
    created_at VARCHAR NOT NULL,
    expires_at VARCHAR NOT NULL,
    PRIMARY KEY (digest),
    FOREIGN KEY(person_id) REFERENCES person (id) ON DELETE CASCADE
);
CREATE INDEX ix_session_person_id ON session (person_id);
CREATE TABLE invitation (
    digest VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    invited_by VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    expires_at VARCHAR NOT NULL,
    PRIMARY KEY (digest)
);
CREATE TABLE guideline (
    id INTEGER NOT NULL,
    study_id INTEGER NOT NULL,
    version VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE
);
CREATE INDEX ix_guideline_study_id ON guideline (study_id);
INSERT INTO guideline (study_id, version, text, at) SELECT id, guideline_version, guideline, created_at FROM study;
ALTER TABLE study ADD COLUMN withdrawal VARCHAR NOT NULL DEFAULT 'removed';
ALTER TABLE study ADD COLUMN checks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE study_item ADD COLUMN check_turn INTEGER;
ALTER TABLE study_item ADD COLUMN check_level INTEGER;
ALTER TABLE rater ADD COLUMN person_id INTEGER REFERENCES person (id);
CREATE INDEX ix_rater_person_id ON rater (person_id);
CREATE UNIQUE INDEX ix_rater_study_person ON rater (study_id, person_id);
ALTER TABLE rater ADD COLUMN blind_id VARCHAR NOT NULL DEFAULT '';
UPDATE rater SET blind_id = lower(hex(randomblob(8)));
UPDATE rater SET consented_at = (
    SELECT min(e.at) FROM rating_event e JOIN assignment a ON a.id = e.assignment_id WHERE a.rater_id = rater.id
) WHERE consented_at IS NULL AND study_id IN (SELECT id FROM study WHERE status = 'running');
ALTER TABLE assignment ADD COLUMN reclaimed_at VARCHAR;
ALTER TABLE study_act ADD COLUMN who VARCHAR NOT NULL DEFAULT '';
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
