"""Simulated dialogues: who talks with whom, what was said turn by turn, and the levels that judges gave."""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = (
    """
CREATE TABLE simulation (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name VARCHAR NOT NULL,
    job_folder VARCHAR NOT NULL,
    spec JSON NOT NULL,
    data JSON NOT NULL,
    player JSON NOT NULL,
    judges JSON NOT NULL,
    prompts JSON NOT NULL,
    set_id INTEGER,
    created_at VARCHAR NOT NULL,
    finished_at VARCHAR,
    UNIQUE (job_folder),
    FOREIGN KEY(set_id) REFERENCES data_set (id) ON DELETE SET NULL
)
""",
    "CREATE INDEX ix_simulation_set_id ON simulation (set_id)",
    """
CREATE TABLE simulation_model (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    simulation_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    manner VARCHAR NOT NULL,
    UNIQUE (simulation_id, position),
    FOREIGN KEY(simulation_id) REFERENCES simulation (id) ON DELETE CASCADE
)
""",
    """
CREATE TABLE simulation_person (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    simulation_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    profile VARCHAR NOT NULL,
    personality VARCHAR NOT NULL,
    parts JSON NOT NULL,
    schedule JSON NOT NULL,
    UNIQUE (simulation_id, position),
    FOREIGN KEY(simulation_id) REFERENCES simulation (id) ON DELETE CASCADE
)
""",
    """
CREATE TABLE simulation_turn (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    model_id INTEGER NOT NULL,
    person_id INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    message VARCHAR,
    message_why VARCHAR NOT NULL,
    message_reply VARCHAR NOT NULL,
    answer VARCHAR,
    answer_why VARCHAR NOT NULL,
    answer_reply VARCHAR NOT NULL,
    UNIQUE (model_id, person_id, turn),
    FOREIGN KEY(model_id) REFERENCES simulation_model (id) ON DELETE CASCADE,
    FOREIGN KEY(person_id) REFERENCES simulation_person (id) ON DELETE CASCADE
)
""",
    "CREATE INDEX ix_simulation_turn_person_id ON simulation_turn (person_id)",
    """
CREATE TABLE simulation_level (
    turn_id INTEGER NOT NULL,
    judge INTEGER NOT NULL,
    level INTEGER,
    explanation VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    reply VARCHAR NOT NULL,
    PRIMARY KEY (turn_id, judge),
    FOREIGN KEY(turn_id) REFERENCES simulation_turn (id) ON DELETE CASCADE
)
""",
)


def upgrade() -> None:
    for table in TABLES:
        op.execute(table)
