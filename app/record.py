"""`job.json` beside every output: what was run, with what, on what. Written beside and moved, at the start and at the end."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from app.executor import TOP

NAME = "job.json"
PACKAGES = (
    "subtext", "numpy", "pydantic", "SQLAlchemy", "pyarrow", "openai",
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "vllm",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of this program's own repository, with '-dirty' when files differ from it; None outside of one."""
    if not (TOP / ".git").exists():
        return None
    command = ["git", "-C", str(TOP), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write job.json whole or not at all. Raises OSError."""
    beside = folder / f"{NAME}.part"
    with beside.open("w", encoding="utf-8", errors="replace") as file:
        json.dump(dict(content), file, ensure_ascii=False, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / NAME)
