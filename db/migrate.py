"""Bringing a database to the newest schema with Alembic. The only place that imports Alembic at run time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from db.engine import Database


def migrate(database: Database) -> None:
    """Create the schema or upgrade it to the newest version; nothing happens when it is current."""
    if version(database) == newest():
        return
    database.file.parent.mkdir(parents=True, exist_ok=True)
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def version(database: Database) -> str | None:
    """The schema version of the database; None when it has none yet."""
    database.file.parent.mkdir(parents=True, exist_ok=True)
    with database.write() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The newest schema version this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
