"""The starter set: sample scenarios and trees written for this product, one file per topic."""

from pathlib import Path

SET_NAME = "Starter set"


def seed_files() -> list[Path]:
    """The files of the starter set, by topic."""
    return sorted((Path(__file__).parent / "trees").glob("*.json"))
