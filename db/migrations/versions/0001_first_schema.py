"""The first schema: data sets, their files and records, scenarios, trees, nodes, paths, and the full-text tables."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE data_set (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    form VARCHAR NOT NULL,
    sample BOOLEAN NOT NULL,
    created_at VARCHAR NOT NULL,
    records INTEGER NOT NULL,
    trees INTEGER NOT NULL,
    nodes INTEGER NOT NULL,
    paths INTEGER NOT NULL,
    problems INTEGER NOT NULL,
    UNIQUE (name, version)
);
CREATE TABLE fact (
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE source_file (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    set_id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    records INTEGER NOT NULL,
    problems INTEGER NOT NULL,
    FOREIGN KEY(set_id) REFERENCES data_set (id) ON DELETE CASCADE,
    UNIQUE (digest)
);
CREATE INDEX ix_source_file_set_id ON source_file (set_id);
CREATE TABLE problem (
    id INTEGER NOT NULL,
    file_id INTEGER NOT NULL,
    place VARCHAR NOT NULL,
    field VARCHAR NOT NULL,
    sentence VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(file_id) REFERENCES source_file (id) ON DELETE CASCADE
);
CREATE INDEX ix_problem_file_id ON problem (file_id);
CREATE TABLE record (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    set_id INTEGER NOT NULL,
    file_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    form VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    body JSON,
    UNIQUE (set_id, position),
    FOREIGN KEY(set_id) REFERENCES data_set (id) ON DELETE CASCADE,
    FOREIGN KEY(file_id) REFERENCES source_file (id) ON DELETE CASCADE
);
CREATE INDEX ix_record_file_id ON record (file_id);
CREATE TABLE scenario (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    set_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    preference VARCHAR NOT NULL,
    "query" VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    split VARCHAR NOT NULL,
    explanation VARCHAR NOT NULL,
    FOREIGN KEY(set_id) REFERENCES data_set (id) ON DELETE CASCADE,
    FOREIGN KEY(record_id) REFERENCES record (id) ON DELETE CASCADE
);
CREATE INDEX ix_scenario_record_id ON scenario (record_id);
CREATE INDEX ix_scenario_set_id ON scenario (set_id);
CREATE INDEX ix_scenario_topic ON scenario (topic);
CREATE TABLE tree (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    scenario_id INTEGER NOT NULL,
    form VARCHAR NOT NULL,
    nodes INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    pruned INTEGER NOT NULL,
    unscored INTEGER NOT NULL,
    low FLOAT,
    high FLOAT,
    best FLOAT,
    best_leaf VARCHAR,
    bands INTEGER NOT NULL,
    patch JSON,
    FOREIGN KEY(scenario_id) REFERENCES scenario (id) ON DELETE CASCADE
);
CREATE INDEX ix_tree_scenario_id ON tree (scenario_id);
CREATE TABLE node (
    id INTEGER NOT NULL,
    tree_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    "key" VARCHAR NOT NULL,
    parent VARCHAR,
    kind VARCHAR NOT NULL,
    depth INTEGER NOT NULL,
    thought VARCHAR NOT NULL,
    critique VARCHAR NOT NULL,
    score FLOAT,
    unscored VARCHAR NOT NULL,
    persona VARCHAR NOT NULL,
    pruned VARCHAR NOT NULL,
    prune_detail VARCHAR NOT NULL,
    marks VARCHAR,
    reply VARCHAR,
    patch JSON,
    PRIMARY KEY (id),
    UNIQUE (tree_id, position),
    FOREIGN KEY(tree_id) REFERENCES tree (id) ON DELETE CASCADE
);
CREATE TABLE path (
    id INTEGER NOT NULL,
    tree_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    leaf VARCHAR,
    stated FLOAT,
    steps JSON,
    review JSON,
    patch JSON,
    PRIMARY KEY (id),
    UNIQUE (tree_id, position),
    FOREIGN KEY(tree_id) REFERENCES tree (id) ON DELETE CASCADE
);
CREATE TABLE tree_mark (
    tree_id INTEGER NOT NULL,
    mark VARCHAR NOT NULL,
    count INTEGER NOT NULL,
    own BOOLEAN NOT NULL,
    PRIMARY KEY (tree_id, mark),
    FOREIGN KEY(tree_id) REFERENCES tree (id) ON DELETE CASCADE
);
CREATE INDEX ix_tree_mark_mark ON tree_mark (mark);
"""

FULL_TEXT = """
CREATE VIRTUAL TABLE node_text USING fts5(
    thought, critique, content='node', content_rowid='id',
    tokenize='porter unicode61 remove_diacritics 2', columnsize=0
);
CREATE VIRTUAL TABLE scenario_text USING fts5(
    preference, query, content='scenario', content_rowid='id',
    tokenize='porter unicode61 remove_diacritics 2', columnsize=0
);
"""


def upgrade() -> None:
    for statement in (TABLES + FULL_TEXT).split(";\n"):
        if statement.strip():
            op.execute(statement)
