"""The starter sets, written for this product: scenarios with trees, and dialogues of three anonymous systems to rate."""

from collections.abc import Callable, Mapping
from pathlib import Path

_HERE = Path(__file__).parent


def seed_files() -> list[Path]:
    """The trees, one file per topic."""
    return sorted((_HERE / "trees").glob("*.json"))


def dialogue_files() -> list[Path]:
    """The dialogues, one file per user profile with one line per system."""
    return sorted((_HERE / "dialogues").glob("*.jsonl"))


STARTERS: Mapping[str, Callable[[], list[Path]]] = {"Starter set": seed_files, "Starter dialogues": dialogue_files}
"""Sample sets by name, in the order they are loaded."""
