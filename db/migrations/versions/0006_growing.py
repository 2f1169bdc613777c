"""Trees that a job is still growing."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE tree ADD COLUMN growing BOOLEAN NOT NULL DEFAULT 0")
