"""Settings from `SUBTEXT_*` environment variables. Knows their names, defaults and meaning; README's table is made here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from app.errors import Refused


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside."""

    data: Path = Path("subtext-data")
    host: str = "127.0.0.1"
    port: int = 7860
    max_upload_mb: int = 2048
    starter_set: bool = True
    admin: str = ""
    admin_password: str = field(default="", repr=False)


MEANING: Mapping[str, str] = {
    "data": "folder of the database, the blobs and the logs; on a local disk",
    "host": "address the page is served on; anything but a loopback address shows it to your network",
    "port": "port of the page",
    "max_upload_mb": "largest file that can be dropped on the Data page, in MiB",
    "starter_set": "load the sample trees and dialogues into a new database (1 or 0)",
    "admin": "name of the admin account to make at the first start; without one a local server is for a single user",
    "admin_password": "password of that account; at least 10 characters",
}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"SUBTEXT_{name.upper()}"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from an environment. Raises Refused for a value that cannot be used or a variable that does not exist."""
    known = {variable(item.name): item for item in fields(Settings)}
    strangers = sorted(name for name in environment if name.startswith("SUBTEXT_") and name not in known)
    if strangers:
        raise Refused(f"There is no setting {strangers[0]}. Settings: {', '.join(sorted(known))}.")
    values: dict[str, Any] = {
        item.name: _value(name, item.default, environment[name]) for name, item in known.items() if name in environment
    }
    return Settings(**values)


def _value(name: str, default: object, text: str) -> object:
    match default:
        case bool():
            if text.lower() not in ("0", "1", "false", "true", "no", "yes"):
                raise Refused(f"{name} is 1 or 0, not {text!r}.")
            return text.lower() in ("1", "true", "yes")
        case int():
            if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
                raise Refused(f"{name} is a whole number above 0, not {text!r}.")
            return int(text)
        case Path():
            return Path(text).expanduser()
        case _:
            return text


def table() -> str:
    """The settings as the Markdown table that stands in README."""
    rows = [
        f"| `{variable(item.name)}` | `{_shown(item.default)}` | {MEANING[item.name]} |" for item in fields(Settings)
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value) or "(none)"
