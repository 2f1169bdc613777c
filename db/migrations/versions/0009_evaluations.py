"""Evaluations: rows of a report, cases, answers, and what judges said of them."""

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = (
    """
CREATE TABLE evaluation (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name VARCHAR NOT NULL,
    job_folder VARCHAR NOT NULL,
    spec JSON NOT NULL,
    data JSON NOT NULL,
    judges JSON NOT NULL,
    prompts JSON NOT NULL,
    created_at VARCHAR NOT NULL,
    finished_at VARCHAR,
    UNIQUE (job_folder)
)
""",
    """
CREATE TABLE evaluation_row (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    evaluation_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    task VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    turns INTEGER NOT NULL,
    preset VARCHAR NOT NULL,
    UNIQUE (evaluation_id, position),
    FOREIGN KEY(evaluation_id) REFERENCES evaluation (id) ON DELETE CASCADE
)
""",
    """
CREATE TABLE evaluation_case (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    evaluation_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    scenario_id INTEGER,
    cluster VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    preference VARCHAR NOT NULL,
    query VARCHAR NOT NULL,
    shown JSON NOT NULL,
    choice JSON,
    UNIQUE (evaluation_id, position),
    FOREIGN KEY(evaluation_id) REFERENCES evaluation (id) ON DELETE CASCADE,
    FOREIGN KEY(scenario_id) REFERENCES scenario (id) ON DELETE SET NULL
)
""",
    "CREATE INDEX ix_evaluation_case_scenario_id ON evaluation_case (scenario_id)",
    """
CREATE TABLE evaluation_answer (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    row_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    reply VARCHAR NOT NULL,
    judged VARCHAR,
    why VARCHAR NOT NULL,
    UNIQUE (row_id, case_id),
    FOREIGN KEY(row_id) REFERENCES evaluation_row (id) ON DELETE CASCADE,
    FOREIGN KEY(case_id) REFERENCES evaluation_case (id) ON DELETE CASCADE
)
""",
    "CREATE INDEX ix_evaluation_answer_case_id ON evaluation_answer (case_id)",
    """
CREATE TABLE evaluation_verdict (
    answer_id INTEGER NOT NULL,
    "check" INTEGER NOT NULL,
    judge INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    explanation VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    reply VARCHAR NOT NULL,
    PRIMARY KEY (answer_id, "check", judge, repeat),
    FOREIGN KEY(answer_id) REFERENCES evaluation_answer (id) ON DELETE CASCADE
)
""",
    'CREATE INDEX ix_evaluation_verdict_outcome ON evaluation_verdict (answer_id, "check", judge, repeat, outcome)',
)


def upgrade() -> None:
    for table in TABLES:
        op.execute(table)
