"""What the processes of one training are told, and what the first of them tells: files in a folder that all of them see.

Knows files and values. Who starts the processes is `app.actions.together`; what runs in one is `app.rank`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, assert_never

from pydantic import TypeAdapter

from app.engines.endpoint import Endpoint, Engine, Local
from core import critic_data, policy_data
from core.launching import ORDER, Training
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.specs import CriticSpec

FOLDER = "ranks"
JOURNAL, STOP, OUTCOME = "journal.jsonl", "stop", "outcome.json"
_LOOK = 1 << 26
"""Bytes of a journal that are read at once."""
_FIRST = ("refused", "crashed", "lost")

Rows = tuple[list[Any], list[Any]]
"""What is learned from, and what is only looked at; the kind of job says of what type."""


class Fault(NamedTuple):
    """Why a process ended: a sentence for people, how the program failed, or that another process was lost."""

    kind: Literal["refused", "crashed", "lost"]
    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """One training: what is asked for, from which checkpoint, on which rows; a policy's critic, None being the starter model."""

    training: Training
    base: Path
    rows: Rows
    critic: Engine = None


def _rows_of(training: Training) -> TypeAdapter[list[Any]]:
    match training:
        case PolicySpec():
            return TypeAdapter(list[policy_data.Asked])
        case SFTSpec():
            return TypeAdapter(list[policy_data.Example])
        case TPOSpec():
            return TypeAdapter(list[policy_data.Ranked])
        case CriticSpec():
            return TypeAdapter(list[critic_data.Example])
        case _:
            assert_never(training)


def write_order(folder: Path, order: Order) -> None:
    """Write the order into the folder, whole. It holds no key: an endpoint names the variable that does."""
    shape = _rows_of(order.training)
    told = {
        "training": order.training.model_dump(mode="json"),
        "base": str(order.base),
        "critic": _engine_to_json(order.critic),
        "rows": [shape.dump_python(side, mode="json") for side in order.rows],
    }
    _write(folder / ORDER, told)


def read_order(folder: Path) -> Order:
    """The order in a folder. Raises OSError without one, ValueError for one that cannot be read."""
    told: Any = json.loads((folder / ORDER).read_text("utf-8"))
    training = TypeAdapter[Training](Training).validate_python(told["training"])
    shape = _rows_of(training)
    first, second = (shape.validate_json(json.dumps(side)) for side in told["rows"])
    return Order(training, Path(told["base"]), (first, second), _engine_of_json(told["critic"]))


def _engine_to_json(engine: Engine) -> dict[str, Any] | None:
    match engine:
        case Endpoint():
            return {"endpoint": asdict(engine)}
        case Local(path=path):
            return {"local": str(path)}
        case None:
            return None
        case _:
            assert_never(engine)


def _engine_of_json(told: Mapping[str, Any] | None) -> Engine:
    if told is None:
        return None
    return Endpoint(**told["endpoint"]) if "endpoint" in told else Local(Path(told["local"]))


def _write(file: Path, told: Any) -> None:
    beside = file.with_name(f"{file.name}.part")
    beside.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8", errors="replace")
    beside.replace(file)


class Journal:
    """The port `core.jobs.Reporter` in a process of a training: the first one writes lines that another process reads.

    Any process may see that the training is to end: whoever started it puts a file there.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self._folder, self._rank = folder / FOLDER, rank
        self._folder.mkdir(parents=True, exist_ok=True)

    def begun(self) -> None:
        """This process runs. The first one takes back the wish to end of a run before."""
        if self._rank == 0:
            (self._folder / STOP).unlink(missing_ok=True)
        (self._folder / f"begun-{self._rank}").write_text(f"{os.getpid()}\n")

    def progress(self, done: float, total: float, message: str = "") -> None:
        """See the port."""
        self._say({"progress": [done, total, message]})

    def metric(self, step: int, name: str, value: float) -> None:
        """See the port."""
        self._say({"metric": [step, name, value]})

    def input(self, name: str, digest: str) -> None:
        """Inputs are told by whoever started the training."""

    def cancelled(self) -> bool:
        """See the port."""
        return (self._folder / STOP).exists()

    def outcome(self, told: Mapping[str, Any]) -> None:
        """What came of the training, from the first process; from the others only what they counted."""
        _write(self._folder / (OUTCOME if self._rank == 0 else f"outcome-{self._rank}.json"), told)

    def fault(self, why: Fault) -> None:
        """Why this process ends before the training does."""
        _write(self._folder / f"fault-{self._rank}.json", why._asdict())

    def _say(self, told: Mapping[str, Any]) -> None:
        if self._rank == 0:
            with (self._folder / JOURNAL).open("a", encoding="utf-8", errors="replace") as file:
                file.write(json.dumps(told) + "\n")


class Reading:
    """The other end of a journal. Lines that are not whole yet wait for the next look."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._at = folder / FOLDER, 0

    def new(self) -> list[Mapping[str, Any]]:
        """What was said since the last look."""
        try:
            with (self._folder / JOURNAL).open("rb") as file:
                file.seek(self._at)
                text = file.read(_LOOK)
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def begun(self) -> int:
        """How many processes have begun."""
        return len(list(self._folder.glob("begun-*")))

    def outcomes(self) -> list[dict[str, Any]]:
        """What the processes told at their end, that of the first one first; empty where that one has told nothing."""
        if not (self._folder / OUTCOME).is_file():
            return []
        files = [self._folder / OUTCOME, *sorted(self._folder.glob("outcome-*.json"))]
        return [json.loads(file.read_text("utf-8")) for file in files]

    def fault(self) -> Fault | None:
        """Why the training failed: a sentence for people before a crash, and that before what only followed elsewhere."""
        found = [json.loads(file.read_text("utf-8")) for file in sorted(self._folder.glob("fault-*.json"))]
        faults = sorted((Fault(**one) for one in found), key=lambda one: _FIRST.index(one.kind))
        return faults[0] if faults else None

    def stop(self) -> None:
        """Let all processes end after the update that they are in."""
        (self._folder / STOP).touch()
