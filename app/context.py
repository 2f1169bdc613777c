"""The frozen context that is handed to everything: settings, database, blobs, the clock, and the environment that holds keys."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.settings import Settings
from db.blobs import Blobs
from db.engine import Database


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Context:
    """Nothing is global: pages, routes, actions and tests get one of these. `now` gives UTC time as ISO 8601 text.

    `environment` is looked into only for a key, by the name that the settings give, at the moment of a call; it is never shown.
    """

    settings: Settings
    database: Database
    blobs: Blobs
    now: Callable[[], str] = _now
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


def open_context(settings: Settings) -> Context:
    """A context on the data folder of the settings. Creates the folder, not the schema (see `app.actions.prepare`)."""
    settings.data.mkdir(parents=True, exist_ok=True)
    return Context(settings, Database(settings.data / "subtext.db"), Blobs(settings.data / "blobs"))
